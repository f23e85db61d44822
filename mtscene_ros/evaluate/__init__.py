"""How good the results are: metrics in NumPy and measurements on scenes with truth."""
