"""The networks: each maps normalised images to raw predictions by task.

Decoding, losses and weights files do not belong here.
"""
