"""The node, and the programs that play, record and check live topics.

Only this folder may import ROS; algorithms may not live here.
"""
