"""How good the results are: recordings and fixed sets of frames with ground truth in, scores out.

Everything works without a ROS installation. Nothing in here may publish, or train a network.
"""
