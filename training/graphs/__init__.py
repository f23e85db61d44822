"""Networks as graphs for deployment: decoding, precision, simplification, ONNX.

Nothing in here may train a network.
"""
