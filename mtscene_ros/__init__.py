"""One network, one look: segmentation, metric depth and 3D boxes as ROS 2 messages."""

from mtscene_ros import telemetry

telemetry.switch_off()
