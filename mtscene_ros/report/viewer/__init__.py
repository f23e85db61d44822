"""`mtscene view`: recordings and live topics in a Rerun viewer.

Only this folder may import rerun, and it may not import ROS.
"""
