"""Starts the perception node, and RViz on request."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import (
    EnvironmentVariable,
    LaunchConfiguration,
    PathJoinSubstitution,
    PythonExpression,
)
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('mtscene_ros')
FASTDDS_PROFILE = 'FASTRTPS_DEFAULT_PROFILES_FILE'

ARGUMENTS = (
    ('namespace', '', 'namespace of the node'),
    (
        'params_file',
        PathJoinSubstitution([SHARE, 'config', 'perception.yaml']),
        'parameters of the node (YAML)',
    ),
    ('use_sim_time', 'false', 'take the time from /clock'),
    ('autostart', '', 'configure and activate at start; empty: as in params_file'),
    ('use_respawn', 'false', 'start the node again when it dies'),
    ('log_level', 'info', 'debug, info, warn, error or fatal'),
    ('model', '', 'model file (.onnx); empty: as in params_file'),
    ('backend', '', 'runtime of the model; empty: as in params_file'),
    ('precision', '', 'numeric precision of the runtime; empty: as in params_file'),
    ('image_topic', 'image', 'topic of the images, without the suffix of a transport'),
    ('camera_info_topic', 'camera_info', "default: camera_info beside the image's topic"),
    ('image_transport', '', 'raw or compressed; empty: as in params_file'),
    ('rviz', 'false', 'also start RViz'),
)


def override(parameter: str, value_type: type | None = str) -> dict:
    """Parameter of the node, from the launch argument of that name where one is given.

    An empty argument goes to a name that the node does not declare and so ignores: otherwise it
    would hide the value in params_file.
    """
    argument = LaunchConfiguration(parameter)
    name = PythonExpression(["'", parameter, "' if '", argument, "' else 'not_given'"])
    value = ParameterValue(argument, value_type=value_type)
    return {name: value}


def generate_launch_description() -> LaunchDescription:
    perception = Node(
        package='mtscene_ros',
        executable='perception_node',
        name='perception',
        namespace=LaunchConfiguration('namespace'),
        output='screen',
        respawn=LaunchConfiguration('use_respawn'),
        respawn_delay=2.0,
        arguments=['--ros-args', '--log-level', LaunchConfiguration('log_level')],
        remappings=[
            ('image', LaunchConfiguration('image_topic')),
            ('camera_info', LaunchConfiguration('camera_info_topic')),
        ],
        parameters=[
            ParameterFile(LaunchConfiguration('params_file')),
            {'use_sim_time': ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)},
            override('autostart', value_type=None),
            override('model'),
            override('backend'),
            override('precision'),
            override('image_transport'),
        ],
        # Unless one is chosen already, the profile that loses no large image.
        additional_env={
            FASTDDS_PROFILE: EnvironmentVariable(
                FASTDDS_PROFILE,
                default_value=PathJoinSubstitution([SHARE, 'config', 'fastdds.xml']),
            )
        },
    )
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        arguments=['-d', PathJoinSubstitution([SHARE, 'rviz', 'perception.rviz'])],
        condition=IfCondition(LaunchConfiguration('rviz')),
    )
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*arguments, perception, rviz])
