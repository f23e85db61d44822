"""Writes the HTML pages of evaluations and comparisons, with their pictures.

Nothing in here may change a score.
"""
