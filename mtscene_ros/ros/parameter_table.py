"""The table of the node's parameters; `params.py` declares, checks and prints it."""

from __future__ import annotations

from mtscene_ros.backends import BACKENDS
from mtscene_ros.ros.parameter_row import Parameter
from mtscene_ros.ros.watch_parameters import WATCH_PARAMETERS

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        'model',
        '',
        '-',
        'model file (.onnx) or name of a bundled model; empty: drive_lite',
    ),
    Parameter(
        'backend',
        'auto',
        '-',
        'runtime that executes the model; auto: the fastest one available, the log says why',
        values=tuple(BACKENDS),
    ),
    Parameter(
        'precision',
        'auto',
        '-',
        'number format that the runtime must compute in; file: the one of the model file; auto: '
        'on a CPU the fastest whose answers are right, from a trial at the first start; else file',
        values=('auto', 'file', 'fp32', 'bf16', 'fp16', 'int8'),
    ),
    Parameter(
        'threads', 0, 'threads', 'CPU threads of the runtime; 0: one per core', limits=(0, 256)
    ),
    Parameter('gpu_id', 0, '-', 'index of the GPU', limits=(0, 63)),
    Parameter(
        'dla_core',
        -1,
        '-',
        'deep learning accelerator (DLA) of a Jetson; -1: none',
        limits=(-1, 7),
    ),
    Parameter(
        'engine_folder', '', '-', 'folder of TensorRT engines; empty: ~/.cache/mtscene_ros/engines'
    ),
    Parameter('autostart', True, '-', 'configure and activate at start-up, like a plain node'),
    Parameter(
        'cameras',
        [''],
        '-',
        'each NAME subscribes to NAME/image and publishes ~/NAME/...; one empty name: image '
        'and ~/...',
    ),
    Parameter(
        'image_topic',
        '',
        '-',
        'empty: `image`, which can be remapped; auto: the best camera that is published, for a '
        'single camera',
        values=('', 'auto'),
    ),
    Parameter(
        'image_transport',
        'raw',
        '-',
        'raw: sensor_msgs/Image on `image`; compressed: JPEG or PNG on `image/compressed`; where '
        'only the other type is published on `image`, that one is taken',
        values=('raw', 'compressed'),
    ),
    Parameter(
        'input_is_rectified',
        'auto',
        '-',
        'true: the image has no distortion and P of camera_info applies; false: the node '
        'undistorts it with K and D, and outputs fit the undistorted image; auto: true if D is '
        'zero or the last part of the topic says rect, otherwise false',
        values=('auto', 'true', 'false'),
    ),
    Parameter(
        'resize',
        'letterbox',
        '-',
        'letterbox keeps the aspect ratio; stretch fills the network input',
        values=('letterbox', 'stretch'),
    ),
    Parameter(
        'output_scale',
        1.0,
        'px/px',
        'size of label, depth and other images, relative to the camera image',
        limits=(0.05, 1.0),
    ),
    Parameter(
        'sync.policy',
        'latest',
        '-',
        'several cameras; latest: whatever is newest; synchronised: images of the same moment',
        values=('latest', 'synchronised'),
    ),
    Parameter(
        'sync.max_skew_ms',
        20.0,
        'ms',
        'largest difference of stamps that count as the same moment',
        limits=(0.1, 1000),
        dynamic=True,
    ),
    Parameter(
        'max_image_mpx',
        64.0,
        'Mpx',
        'larger images are refused, compressed ones before decoding',
        limits=(0.001, 256.0),
    ),
    Parameter(
        'max_message_mb',
        256.0,
        'MB',
        'longer image messages are refused before deserialisation',
        limits=(0.001, 4000.0),
    ),
    Parameter(
        'max_age_ms',
        0.0,
        'ms',
        'images older than this are dropped when their turn comes; 0: none are',
        limits=(0, 60000),
        dynamic=True,
    ),
    Parameter(
        'max_rate_hz',
        0.0,
        'Hz',
        'highest rate of each camera, by stamps; 0: no limit',
        limits=(0, 1000),
        dynamic=True,
    ),
    Parameter(
        'depth_encoding',
        '32FC1',
        '-',
        '32FC1: metres, NaN unknown; 16UC1: millimetres, 0 unknown',
        values=('32FC1', '16UC1'),
        dynamic=True,
    ),
    Parameter(
        'probability_encoding',
        'mono8',
        '-',
        'boundary and saliency; mono8: 0 to 255; 32FC1: 0 to 1',
        values=('mono8', '32FC1'),
        dynamic=True,
    ),
    Parameter(
        'class_id_format',
        'name',
        '-',
        'class_id of detections; name: the name of the class; id: its number as text',
        values=('name', 'id'),
        dynamic=True,
    ),
    Parameter(
        'min_score',
        0.3,
        '-',
        '3D boxes below this score are not published',
        limits=(0.0, 1.0),
        dynamic=True,
    ),
    Parameter('min_score_by_class', [''], '-', 'CLASS:SCORE, such as car:0.5', dynamic=True),
    Parameter('classes', [''], '-', 'wanted 3D boxes; one empty name: all', dynamic=True),
    Parameter(
        'target_frame',
        '',
        '-',
        'frame of the 3D boxes, through TF at their stamp; empty: the optical frame of the camera',
    ),
    Parameter('tracking.enabled', False, '-', 'give boxes ids that stay with their objects'),
    Parameter(
        'tracking.frame',
        'odom',
        '-',
        'fixed frame in which objects are tracked; without TF, the camera frame',
    ),
    Parameter(
        'tracking.max_age_s',
        1.0,
        's',
        'objects unseen for longer are forgotten',
        limits=(0.05, 60.0),
        dynamic=True,
    ),
    *WATCH_PARAMETERS,
    Parameter(
        'diagnostics.max_latency_ms',
        200.0,
        'ms',
        'a frame that takes longer from arrival to publishing is late; 0: none is',
        limits=(0, 60000),
        dynamic=True,
    ),
    Parameter(
        'diagnostics.late_frames',
        5,
        'frames',
        'late frames in a row until WARN, ten times as many until ERROR, timely ones until OK',
        limits=(1, 1000),
        dynamic=True,
    ),
    Parameter(
        'watchdog.timeout_s',
        10.0,
        's',
        'an inference that takes longer counts as hanging: ERROR in diagnostics; 0: never',
        limits=(0, 3600),
        dynamic=True,
    ),
    Parameter(
        'watchdog.exit',
        False,
        '-',
        'end with exit code 1 when an inference hangs, so that `use_respawn` restarts the node',
        dynamic=True,
    ),
    Parameter(
        'web.port',
        0,
        '-',
        'port of a live page for browsers, see `mtscene live`; 0: no page',
        limits=(0, 65535),
    ),
    Parameter(
        'web.host',
        '127.0.0.1',
        '-',
        'address that the live page is served on; 0.0.0.0: everybody on the network can look',
    ),
)
