"""Scores of a network on a data set, computed with the meters of `mtscene_ros.evaluate.scores`.

Nothing in here may train or export.
"""
