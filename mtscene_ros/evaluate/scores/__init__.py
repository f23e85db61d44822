"""Scores: truth and result of one image in, sums and their final numbers out.

Nothing in here may read files other than those of an official score, or draw a page.
"""
