"""Two evaluations side by side: what changed, and how sure that is.

Nothing in here may evaluate anything again or draw a page.
"""
