"""One evaluation from its options to its folder: recordings in, estimator, predictions, jobs out.

Nothing in here may define a score or draw a page.
"""
