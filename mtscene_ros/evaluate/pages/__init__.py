"""HTML pages of an evaluation and of a comparison, and the pictures in them.

Nothing in here may change a score.
"""
