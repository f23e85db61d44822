"""Allows torchvision (and timm, which needs it) to be imported beside a CPU-only torch.

Some package indexes hold a CPU build of torch but only a CUDA build of torchvision. The compiled
library of the latter cannot be loaded, so its operators do not exist, and its import fails when it
registers fake kernels for two of them. Declaring their schemas first lets the import succeed. Our
code never calls these operators.
"""

import importlib.util
from pathlib import Path

import torch

SCHEMAS = (
    'nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
    'qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
)


def torchvision_is_linked_against_cuda() -> bool:
    """Reads torchvision/version.py without importing the package, because that may fail."""
    found = importlib.util.find_spec('torchvision')
    if found is None or found.origin is None:
        return False
    return '+cu' in Path(found.origin).with_name('version.py').read_text()


def declare_missing_operators() -> list[torch.library.Library]:
    """Returns objects to keep alive: a declaration lasts only as long as its Library."""
    if torch.version.cuda is not None or not torchvision_is_linked_against_cuda():
        return []
    library = torch.library.Library('torchvision', 'FRAGMENT')
    for schema in SCHEMAS:
        if not hasattr(torch.ops.torchvision, schema.split('(')[0]):
            library.define(schema)
    return [library]


DECLARATIONS = declare_missing_operators()
