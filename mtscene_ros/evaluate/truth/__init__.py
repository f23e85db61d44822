"""Ground truth of a recording: from topics, manifests, point clouds and poses.

Nothing in here may compare truth with results.
"""
