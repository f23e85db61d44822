"""Starts the perception node as nav2's semantic segmentation layer wants it.

Mask, confidence, class map and organised cloud, all of one size and stamp; the costmap's side is
config/nav2_costmap.yaml. The layer: https://github.com/kiwicampus/semantic_segmentation_layer.
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from mtscene_ros.ros.launch_checks import check

PERCEPTION = str(Path(__file__).with_name('perception.launch.py'))


def generate_launch_description() -> LaunchDescription:
    params_file = DeclareLaunchArgument(
        'params_file',
        default_value=PathJoinSubstitution(
            [FindPackageShare('mtscene_ros'), 'config', 'nav2_perception.yaml']
        ),
        description='parameters of the node (YAML)',
    )
    # All other arguments of perception.launch.py hold as they are given.
    perception = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PERCEPTION),
        launch_arguments={'params_file': LaunchConfiguration('params_file')}.items(),
    )
    description = LaunchDescription([params_file, perception])
    first = OpaqueFunction(function=check, args=[__file__, description])
    return LaunchDescription([first, description])
