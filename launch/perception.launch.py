"""Starts the perception node, and RViz on request."""

from launch import LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch.condition import Condition
from launch.conditions import IfCondition, LaunchConfigurationNotEquals
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, SetParameter
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from mtscene_ros.cli.middleware import choose_profile
from mtscene_ros.ros.launch_checks import check

try:
    from launch.substitutions import NotEqualsSubstitution
except ImportError:  # Humble
    NotEqualsSubstitution = None

SHARE = FindPackageShare('mtscene_ros')

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
    ('image_topic', 'image', 'topic of the images; its type decides how they are read'),
    ('camera_info_topic', 'camera_info', "default: camera_info beside the image's topic"),
    ('image_transport', '', 'raw or compressed; empty: as in params_file'),
    ('rviz', 'false', 'also start RViz (packages rviz2 and vision_msgs_rviz_plugins)'),
)


def is_given(argument: str) -> Condition:
    """Whether a launch argument is not empty."""
    if NotEqualsSubstitution is None:
        return LaunchConfigurationNotEquals(argument, '')  # later distributions warn of it
    return IfCondition(NotEqualsSubstitution(LaunchConfiguration(argument), ''))


def override(parameter: str, value_type: type | None = str) -> Action:
    """Parameter of the node from the launch argument of that name where one is given."""
    value = ParameterValue(LaunchConfiguration(parameter), value_type=value_type)
    return SetParameter(parameter, value, condition=is_given(parameter))


def generate_launch_description() -> LaunchDescription:
    # They follow the arguments of the node, and of two values it takes the later one.
    parameters = [
        SetParameter(
            'use_sim_time', ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)
        ),
        override('autostart', value_type=None),
        override('model'),
        override('backend'),
        override('precision'),
        override('image_transport'),
    ]
    perception = Node(
        package='mtscene_ros',
        executable='perception_node',
        name='perception',
        namespace=LaunchConfiguration('namespace'),
        output='screen',
        respawn=LaunchConfiguration('use_respawn'),
        respawn_delay=2.0,
        arguments=[
            *('--ros-args', '--log-level', LaunchConfiguration('log_level')),
            # Not by SetParametersFromFile, which says nothing of a file that is not there.
            *('--params-file', LaunchConfiguration('params_file')),
        ],
        remappings=[
            ('image', LaunchConfiguration('image_topic')),
            ('camera_info', LaunchConfiguration('camera_info_topic')),
        ],
    )
    # Topics in the configuration are relative, so that the namespace holds for RViz as well.
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        namespace=LaunchConfiguration('namespace'),
        arguments=['-d', PathJoinSubstitution([SHARE, 'rviz', 'perception.rviz'])],
        parameters=[
            {'use_sim_time': ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)}
        ],
        condition=IfCondition(LaunchConfiguration('rviz')),
    )
    # Unless one is chosen already, the Fast DDS profile that loses no large image.
    profile = OpaqueFunction(function=choose_profile)
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    description = LaunchDescription(
        [*arguments, GroupAction([profile, *parameters, perception]), GroupAction([profile, rviz])]
    )
    first = OpaqueFunction(function=check, args=[__file__, description])
    return LaunchDescription([first, description])
