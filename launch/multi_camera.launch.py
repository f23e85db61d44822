"""Starts one perception node for several cameras: one batch through the network for all of them.

A camera NAME has its images on NAME/IMAGE_NAME and its calibration on NAME/camera_info; the node
publishes ~/NAME/semantic/image and so on.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, SetParameter
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('mtscene_ros')
FASTDDS_PROFILE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
# Names whose images are looked for under IMAGE_NAME; add yours. Any other NAME: NAME/image.
POSITIONS = ('front', 'rear', 'left', 'right')
CORNERS = ('front_left', 'front_right', 'rear_left', 'rear_right')
NUMBERS = tuple(f'camera{number}' for number in range(8))

ARGUMENTS = (
    ('namespace', '', 'namespace of the node and of the cameras'),
    ('cameras', '[front, left, right]', 'names of the cameras (YAML list)'),
    ('image_name', 'image_raw', 'the images of a camera are on CAMERA/image_name'),
    ('sync_policy', 'synchronised', 'latest: whatever is fresh; synchronised: of one moment'),
    ('sync_max_skew_ms', '20.0', 'how far stamps of one moment lie apart, milliseconds'),
    (
        'params_file',
        PathJoinSubstitution([SHARE, 'config', 'perception.yaml']),
        'all other parameters of the node (YAML)',
    ),
    ('use_sim_time', 'false', 'take the time from /clock'),
    ('use_respawn', 'false', 'start the node again when it dies'),
    ('log_level', 'info', 'debug, info, warn, error or fatal'),
)


def parameter(name: str, argument: str, value_type: type) -> SetParameter:
    """Parameter of the node from a launch argument."""
    return SetParameter(name, ParameterValue(LaunchConfiguration(argument), value_type=value_type))


def generate_launch_description() -> LaunchDescription:
    # They follow the arguments of the node, and of two values it takes the later one.
    parameters = [
        parameter('use_sim_time', 'use_sim_time', bool),
        parameter('cameras', 'cameras', list[str]),
        parameter('sync.policy', 'sync_policy', str),
        parameter('sync.max_skew_ms', 'sync_max_skew_ms', float),
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
            (f'{name}/image', [f'{name}/', LaunchConfiguration('image_name')])
            for name in (*POSITIONS, *CORNERS, *NUMBERS)
        ],
        # Unless one is chosen already, the profile that loses no large image.
        additional_env={
            FASTDDS_PROFILE: EnvironmentVariable(
                FASTDDS_PROFILE,
                default_value=PathJoinSubstitution([SHARE, 'config', 'fastdds.xml']),
            )
        },
    )
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*arguments, GroupAction([*parameters, perception])])
