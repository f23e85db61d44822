#!/bin/bash
# ROS, then our workspace, then what was asked for.
source /ws/install/setup.bash
exec "$@"
