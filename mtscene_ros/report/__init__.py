"""Pages and the viewer of a recording of the node, and the HTML that all pages share.

Nothing in here may compute scores: pages of evaluations live in `evaluate/pages`.
"""
