"""Contains programs that score a model on fixed sets of frames: generated drives and photographs.

No other module may import from here.
"""
