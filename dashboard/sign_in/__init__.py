"""Signing in: who may, how often they may be wrong, and what happens around it."""
