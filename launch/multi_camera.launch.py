"""Starts one perception node for several cameras: one batch through the network for all of them.

A camera NAME has its images on NAME/IMAGE_NAME and its calibration on NAME/camera_info; the node
publishes ~/NAME/semantic/image and so on. RViz shows the first camera.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, TextSubstitution
from launch_ros.actions import SetParameter, SetRemap
from launch_ros.parameter_descriptions import ParameterValue

from mtscene_ros.ros.launch_checks import camera_names, check, check_parameter

PERCEPTION = str(Path(__file__).with_name('perception.launch.py'))

ARGUMENTS = (
    ('cameras', '[front, left, right]', 'names of the cameras (YAML list)'),
    ('image_name', 'image_raw', 'the images of a camera are on CAMERA/image_name'),
    ('camera_info_name', '', "empty: camera_info beside the camera's images"),
    ('sync_policy', 'synchronised', 'latest: whatever is fresh; synchronised: of one moment'),
    ('sync_max_skew_ms', '20.0', 'how far stamps of one moment lie apart, milliseconds'),
)
USELESS = {
    'image_topic': 'the images of a camera are on CAMERA/image_name, see image_name.',
    'camera_info_topic': 'see camera_info_name.',
}
# What rviz/perception.rviz shows.
SHOWN = (
    *('points', 'debug/markers', 'detections_3d', 'debug/overlay', 'semantic/color'),
    *('semantic/image', 'semantic/confidence', 'parts/image', 'boundary/image'),
    *('saliency/image', 'depth/image'),
)


def cameras(context: LaunchContext) -> list[Action]:
    """The list of cameras as a parameter, and the topics of each."""
    values = context.launch_configurations
    names = camera_names(values['cameras'])
    check_parameter(values, 'sync_policy', 'sync.policy')
    check_parameter(values, 'sync_max_skew_ms', 'sync.max_skew_ms')
    images = [SetRemap(f'{name}/image', f'{name}/{values["image_name"]}') for name in names]
    info = values['camera_info_name']
    calibrations = [SetRemap(f'{n}/camera_info', f'{n}/{info}') for n in names if info]
    shown = [SetRemap(f'perception/{t}', f'perception/{names[0]}/{t}') for t in SHOWN]
    # As text with quotes, in which no name is a word of YAML's such as on.
    listed = ParameterValue(TextSubstitution(text=str(names)), value_type=list[str])
    return [SetParameter('cameras', listed), *images, *calibrations, *shown]


def parameter(name: str, argument: str, value_type: type) -> SetParameter:
    """Parameter of the node from a launch argument."""
    return SetParameter(name, ParameterValue(LaunchConfiguration(argument), value_type=value_type))


def generate_launch_description() -> LaunchDescription:
    # All other arguments of perception.launch.py hold as they are given.
    perception = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PERCEPTION),
        launch_arguments={'image_topic': 'image', 'camera_info_topic': 'camera_info'}.items(),
    )
    group = GroupAction(
        [
            OpaqueFunction(function=cameras),
            parameter('sync.policy', 'sync_policy', str),
            parameter('sync.max_skew_ms', 'sync_max_skew_ms', float),
            perception,
        ]
    )
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    description = LaunchDescription([*arguments, group])
    first = OpaqueFunction(function=check, args=[__file__, description, USELESS])
    return LaunchDescription([first, description])
