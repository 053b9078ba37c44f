"""The sandbox: a payment provider that moves no money. Deleting this folder removes it.

The rest of the product finds it only through the settings, as it finds any other gateway. Its page
is outside of every account, like a real provider's.
"""
