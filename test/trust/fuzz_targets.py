"""Everything that takes bytes from outside, by name."""

from __future__ import annotations

import importlib

from .fuzz_target import Target

# Module → targets. Imported late: a campaign's process loads what its target needs.
MODULES: dict[str, tuple[str, ...]] = {
    'fuzz_messages': (
        'image', 'compressed_image', 'png_or_jpeg', 'camera_info', 'scene', 'header_stamp',
    ),
    'fuzz_headers': ('image_header',),
    'fuzz_external_data': ('external_data',),
    'fuzz_models': ('spec', 'onnx_metadata', 'stored_outputs', 'engine_sidecar'),
    'fuzz_graphs': ('onnxruntime', 'openvino'),
    'fuzz_training': (
        'manifest', 'manifest_csv', 'boxes', 'npy', 'label_image', 'json_and_lists', 'coco',
        'label_studio', 'kitti', 'safetensors', 'checkpoint',
    ),
    'fuzz_bags': ('bag_mcap', 'bag_sqlite', 'bag_ros1'),
    'fuzz_parameters': ('parameters',),
}  # fmt: skip
NAMES = tuple(name for names in MODULES.values() for name in names)


def target_of(name: str) -> Target:
    """Raises StopIteration for a name that is not in MODULES."""
    module = next(module for module, names in MODULES.items() if name in names)
    found: Target = importlib.import_module(f'trust.{module}').TARGETS[name]
    return found
