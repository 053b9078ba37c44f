"""Topping up as a customer sees it: choose, review, pay elsewhere, see it arrive, keep a receipt.

What happens is decided in `billing.payments`; here is how it is asked for and told.
"""
