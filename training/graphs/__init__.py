"""Builds and rewrites the graphs that are exported: decoding, simplification, precision, opset.

Network definitions and weights files do not belong here; this folder only transforms networks.
"""
