"""Reads, converts and writes files of weights: checkpoints, safetensors, bundled model files.

The networks themselves and the training loop do not belong here.
"""
