"""The graph that is exported and evaluated: normalisation, network and dense decoding."""

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

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # ImageNet's, for uint8 RGB


def normalised(rgb: Tensor) -> Tensor:
    """Maps (B, H, W, 3) uint8 to (B, 3, H, W) float32, channels last in memory.

    The cast comes first because TensorRT refuses to transpose uint8.
    """
    image = rgb.float().permute(0, 3, 1, 2)
    mean, scale = image.new_tensor(MEAN), 1 / image.new_tensor(STD)
    # Channel by channel, because runtimes are slow on an innermost dimension of three.
    return (image - mean[:, None, None]) * scale[:, None, None]


class DeployGraph(nn.Module):
    """Maps (B, H, W, 3) uint8 RGB to every tensor of the model file, by name, in task order."""

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
    """Returns the spec of the exported file; shapes come from one run of the graph."""
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
    """Merges the parallel branches of an encoder (RepViT's) into single convolutions, in place
    (Ding et al., RepVGG, CVPR 2021, section 3.3)."""
    reparameterize_model(encoder, inplace=True)


def differences(graph: DeployGraph, path: Path, rgb: NDArray[np.uint8]) -> dict[str, float]:
    """Runs (B, H, W, 3) in torch and ONNX Runtime: output name → largest absolute difference."""
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    with torch.no_grad():
        expected = graph(torch.from_numpy(rgb))
    found = session.run(list(expected), {session.get_inputs()[0].name: rgb})
    return {
        name: float(np.abs(value.numpy().astype(np.float64) - got).max())
        for (name, value), got in zip(expected.items(), found, strict=True)
    }
