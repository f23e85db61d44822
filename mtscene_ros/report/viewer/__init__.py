"""Shows recordings and live topics in a Rerun viewer, for `mtscene view`.

Only this folder may import rerun, and it may not import ROS.
"""
