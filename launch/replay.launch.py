"""A recording in, the perception node, a recording of its outputs out; ends by itself.

Playing and recording are `mtscene play` and `mtscene record`: they need no rosbag2, and playing
waits for the answer to each image, so that no frame is dropped however slow the machine is.
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.substitutions import ExecutableInPackage

from mtscene_ros.cli.middleware import choose_profile
from mtscene_ros.ros.launch_checks import check

PERCEPTION = str(Path(__file__).with_name('perception.launch.py'))
# Published for each image whatever the model has: the answer that playing waits for.
ANSWER = '/perception/debug/frame_stats'
# points and scene are left out: large, and made of the others.
RECORDED = (
    '/tf',
    '/tf_static',
    '/diagnostics',
    '/perception/semantic/image',
    '/perception/semantic/confidence',
    '/perception/semantic/label_info',
    '/perception/depth/image',
    '/perception/depth/camera_info',
    '/perception/normals/image',
    '/perception/boundary/image',
    '/perception/saliency/image',
    '/perception/parts/image',
    '/perception/parts/label_info',
    '/perception/detections_3d',
    '/perception/detections_2d',
    '/perception/debug/overlay',
    ANSWER,
)

ARGUMENTS = (
    ('bag', 'recording to play: .mcap, .db3 or folder'),
    ('output', 'recording to write: .mcap'),
    ('image_topic', 'images in the recording, without the suffix of a transport'),
    ('camera_info_topic', 'camera_info of those images'),
    ('timeout_s', 'how long to wait for the answer to one image, seconds'),
)
DEFAULTS = {
    'output': 'replay.mcap',
    'image_topic': '/camera/image_raw',
    'camera_info_topic': '/camera/camera_info',
    'timeout_s': '60.0',
}

USELESS = {
    'namespace': 'the results of a replay are on /perception.',
    'autostart': 'playing waits for an active node.',
}


def mtscene(*words: str | LaunchConfiguration) -> ExecuteProcess:
    """A verb of the command line beside the node."""
    return ExecuteProcess(
        cmd=[ExecutableInPackage('mtscene', 'mtscene_ros'), *words],
        output='screen',
        sigterm_timeout='30',  # a recording is closed in peace
    )


def generate_launch_description() -> LaunchDescription:
    image = LaunchConfiguration('image_topic')
    recorded = (image, [image, '/compressed'], LaunchConfiguration('camera_info_topic'), *RECORDED)
    record = mtscene('record', '-o', LaunchConfiguration('output'), '--topics', *recorded)
    play = mtscene(
        *('play', LaunchConfiguration('bag'), '--clock', '--step', ANSWER),
        *('--timeout-s', LaunchConfiguration('timeout_s')),
    )
    # All other arguments of perception.launch.py hold as they are given.
    perception = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PERCEPTION),
        launch_arguments={
            'image_topic': image,
            'camera_info_topic': LaunchConfiguration('camera_info_topic'),
            'namespace': '',
        }.items(),
    )
    played = Shutdown(reason='the recording was played')
    end = OnProcessExit(target_action=play, on_exit=[TimerAction(period=1.0, actions=[played])])
    arguments = [
        DeclareLaunchArgument(name, default_value=DEFAULTS.get(name), description=description)
        for name, description in ARGUMENTS
    ]
    # Unless one is chosen already, the Fast DDS profile that loses no large image.
    profile = OpaqueFunction(function=choose_profile)
    group = GroupAction([profile, RegisterEventHandler(end), record, perception, play])
    description = LaunchDescription([*arguments, group])
    programs = [('mtscene_ros', 'mtscene')]
    first = OpaqueFunction(function=check, args=[__file__, description, USELESS, programs])
    return LaunchDescription([first, description])
