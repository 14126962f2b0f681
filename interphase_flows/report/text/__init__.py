"""Summaries for the terminal, and the format of numbers."""
