"""Scores: compares the results of each image with its truth, and sums this up to final numbers.

Nothing in here may read files other than those of an official score, or draw a page.
"""
