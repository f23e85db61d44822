"""Lets torchvision (and timm, which needs it) be imported beside a CPU-only torch.

Some package indexes have a CPU build of torch but only a CUDA build of torchvision. Its compiled
library then cannot be loaded, its operators do not exist, and its import fails where it registers
fake kernels for two of them. Declaring their schemas first lets the import go through. Nothing of
ours calls these operators.
"""

import importlib.util
from pathlib import Path

import torch

SCHEMAS = (
    'nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
    'qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
)


def torchvision_is_linked_against_cuda() -> bool:
    """Reads torchvision/version.py without importing the package, which may fail."""
    found = importlib.util.find_spec('torchvision')
    if found is None or found.origin is None:
        return False
    return '+cu' in Path(found.origin).with_name('version.py').read_text()


def declare_missing_operators() -> list[torch.library.Library]:
    """Returns what must be kept alive: a declaration lasts as long as its Library object."""
    if torch.version.cuda is not None or not torchvision_is_linked_against_cuda():
        return []
    library = torch.library.Library('torchvision', 'FRAGMENT')
    for schema in SCHEMAS:
        if not hasattr(torch.ops.torchvision, schema.split('(')[0]):
            library.define(schema)
    return [library]


DECLARATIONS = declare_missing_operators()
