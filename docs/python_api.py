"""Pages of the Python reference and their modules; Sphinx's autodoc reads the docstrings."""

from __future__ import annotations

# Page → what it is about, and its modules below mtscene_ros.
PAGES = {
    'line': ('The line', 'Results and the estimator.', ('types', 'estimator')),
    'camera': (
        'Camera',
        'From the bytes of a message to a frame, and from results to messages. Nothing here '
        'imports ROS.',
        (
            'camera.camera_frames',
            'camera.images',
            'camera.photograph',
            'camera.rectify',
            'camera.letterbox',
            'camera.geometry',
            'camera.mailbox',
            'camera.outputs',
            'camera.messages',
            'camera.box_messages',
            'camera.point_cloud',
            'camera.draw',
        ),
    ),
    'models': (
        'Models and runtimes',
        'Model files, their contract, and the interface of a runtime.',
        (
            'models.spec',
            'models.catalogue',
            'models.about',
            'models.card',
            'models.onnx_file',
            'models.external_data',
            'backends',
        ),
    ),
    'tasks': (
        'Tasks',
        'From tensors to results in camera pixels and the optical frame.',
        (
            'tasks',
            'tasks.labels',
            'tasks.depth',
            'tasks.boxes3d',
            'tasks.fcos3d',
            'tasks.normals',
            'tasks.probability',
            'tasks.values',
        ),
    ),
    'temporal': (
        'From image to image',
        'What the images of a camera tell about one another.',
        (
            'temporal.tracking',
            'temporal.heading',
            'temporal.image_health',
            'temporal.alarms',
            'temporal.steady',
            'temporal.flow',
            'temporal.blends',
            'temporal.image_features',
            'temporal.novelty',
            'temporal.gate',
            'temporal.watch',
        ),
    ),
    'recordings': (
        'Recordings',
        'Bags of ROS 1 and ROS 2, read and written without ROS.',
        (
            'recordings.bags',
            'recordings.bag_messages',
            'recordings.camera_choice',
            'recordings.node_results',
            'recordings.salvage',
            'recordings.write',
        ),
    ),
    'datasets': (
        'Data sets',
        'Labelled frames.',
        (
            'datasets.manifest',
            'datasets.label_files',
            'datasets.annotations',
            'datasets.moments',
            'datasets.kitti',
            'datasets.classes',
        ),
    ),
    'evaluate': (
        'Evaluation',
        'What `mtscene evaluate` and `mtscene compare` are made of.',
        (
            'evaluate.options',
            'evaluate.run.bag',
            'evaluate.run.many',
            'evaluate.run.merge',
            'evaluate.run.scenario',
            'evaluate.conditions',
            'evaluate.comparison.differences',
            'evaluate.comparison.bootstrap',
            'evaluate.scores.meters',
            'evaluate.scores.metrics',
            'evaluate.scores.overlap',
            'evaluate.scores.calibration',
        ),
    ),
}

MODULE = """## mtscene_ros.{module}

```{{eval-rst}}
.. automodule:: mtscene_ros.{module}
```
"""


def index() -> str:
    """The list of the pages."""
    rows = [f'- [{title}](python/{name}.md): {about}' for name, (title, about, _) in PAGES.items()]
    return f'# Python reference\n\n{HEAD}\n' + '\n'.join(rows) + '\n'


def page(name: str) -> str:
    """One page, module by module."""
    title, about, modules = PAGES[name]
    parts = [MODULE.format(module=module) for module in modules]
    return '\n'.join([f'# {title}\n', f'{about}\n', *parts])


HEAD = """Arrays are described by shape, type and unit: *(H, W) float32, metres*. Names carry
their unit (`depth_m`, `stamp_ns`), and `a_from_b` transforms from frame b to frame a.
`mtscene_ros.estimator` and `mtscene_ros.types` are stable within a release; the other modules may
change without notice.
"""
