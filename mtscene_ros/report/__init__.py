"""Shows recordings of the node as a page or in a viewer, and builds the HTML that pages share.

Nothing in here may compute scores: pages of evaluations live in `evaluate/pages`.
"""
