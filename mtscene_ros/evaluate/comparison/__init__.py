"""Compares two evaluations: what changed, and how certain that is.

Nothing in here may evaluate anything again or draw a page.
"""
