"""Recordings (rosbag2, MCAP, ROS 1 bags) without a ROS installation: read, salvaged, written.

This is also where a recording's camera is chosen and the node's results are found again. Nothing
in here may score results or draw pages.
"""
