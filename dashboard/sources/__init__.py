"""Calls → Sources: connecting what reports calls by itself, and seeing that nothing is missing."""
