"""Passwords that are quick to check: the real hasher is slow on purpose, and not under test."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """The real algorithm with one iteration, so that processes started by a test can check it."""

    iterations = 1
