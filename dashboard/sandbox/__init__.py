"""The page of the sandbox payment provider: outside of every account, like a real provider's."""
