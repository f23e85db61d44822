"""Compares the results of each image with its truth, and sums up scores over images.

Nothing in here may read files other than those of an official score, or draw a page.
"""
