"""What is exported and evaluated: normalisation, network and dense decode in one graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from timm.utils.model import reparameterize_model
from torch import Tensor, nn

from mtscene_ros.models.spec import ModelSpec, TensorSpec
from training.config import CompactConfig
from training.graphs.precision import dtype_of
from training.tasks import task_of

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # ImageNet's, of uint8 RGB


def normalised(rgb: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 → (B, 3, H, W) float32, channels last in memory.

    The cast comes first: TensorRT refuses a transpose of uint8.
    """
    image = rgb.float().permute(0, 3, 1, 2)
    mean, scale = image.new_tensor(MEAN), 1 / image.new_tensor(STD)
    # Channel by channel: a runtime is slow where three numbers are all that lie together.
    return (image - mean[:, None, None]) * scale[:, None, None]


class DeployGraph(nn.Module):
    """(B, H, W, 3) uint8 RGB → every tensor of the model file, by name, in the tasks' order."""

    def __init__(self, network: nn.Module, config: CompactConfig) -> None:
        super().__init__()
        self.network, self.config = network, config

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        late, _ = self.network(normalised(rgb).to(dtype_of(self.network)))
        outputs: dict[str, Tensor] = {}
        for name in self.config.tasks:
            outputs |= task_of(name, self.config).dense_decode(late[name], self.config)
        return outputs


def spec_of(graph: DeployGraph, version: str, commit: str) -> ModelSpec:
    """The contract of the exported file; shapes come from one run of the graph."""
    config = graph.config
    size = (config.height_px, config.width_px, 3)
    with torch.no_grad():
        outputs = graph(torch.zeros(1, *size, dtype=torch.uint8))
    return ModelSpec(
        name=config.name,
        version=version,
        commit=commit,
        input=TensorSpec('rgb', (-1, *size), 'uint8'),
        outputs=tuple(tensor_spec(name, value) for name, value in outputs.items()),
        tasks={name: task_of(name, config).options(config) for name in config.tasks},
    )


def tensor_spec(name: str, value: Tensor) -> TensorSpec:
    return TensorSpec(name, (-1, *value.shape[1:]), str(value.dtype).removeprefix('torch.'))


def merge_branches(encoder: nn.Module) -> None:
    """Parallel branches of an encoder, RepViT's, become one convolution (Ding et al., RepVGG,
    CVPR 2021, section 3.3), in place."""
    reparameterize_model(encoder, inplace=True)


def differences(graph: DeployGraph, path: Path, rgb: NDArray[np.uint8]) -> dict[str, float]:
    """Output name → largest absolute difference between torch and ONNX Runtime on (B, H, W, 3)."""
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    with torch.no_grad():
        expected = graph(torch.from_numpy(rgb))
    found = session.run(list(expected), {session.get_inputs()[0].name: rgb})
    return {
        name: float(np.abs(value.numpy().astype(np.float64) - got).max())
        for (name, value), got in zip(expected.items(), found, strict=True)
    }
