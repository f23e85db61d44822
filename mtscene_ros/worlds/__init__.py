"""Generated scenes and sequences with ground truth. NumPy only."""
