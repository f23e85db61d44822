"""A network that matches, with the examples of one task inside: an image goes in, the task's map
comes out (Kim et al., ICLR 2023, section 3).

What the labelled images contribute does not depend on the new image: keys and values of every
level are computed once and are constants of the exported graph.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import product
from math import ceil
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from mtscene_ros.models.spec import ModelSpec, TensorSpec
from training.graphs.deploy import tensor_spec
from training.networks.vtm import Memory
from training.networks.vtm_beit import TaskLinear, TaskNorm
from training.tasks.channels import ChannelTask

Corner = tuple[int, int]


class MatchingNetwork(Protocol):
    """What networks that match have in common; see `training.networks.vtm.VTMNetwork`."""

    def encode(self, image: Tensor, rows: Tensor | None) -> list[Tensor]: ...

    def memory(self, maps: list[Tensor], labels: Tensor, supports: int) -> Memory: ...

    def answer(self, maps: list[Tensor], memory: Memory) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Windows:
    """Square or whole views of the network's size that cover a larger image, spread evenly;
    what overlaps is averaged. Sizes are (height, width) in pixels."""

    size_px: tuple[int, int]
    view_px: tuple[int, int]

    def __post_init__(self) -> None:
        if any(side < view for side, view in zip(self.size_px, self.view_px, strict=True)):
            raise ValueError(
                f'{self.size_px[1]}x{self.size_px[0]} px is less than the network sees; take '
                f'{self.view_px[1]}x{self.view_px[0]} px or more.'
            )

    @property
    def corners(self) -> list[Corner]:
        """Top and left of each view, row by row."""
        rows, columns = (
            starts(side, view) for side, view in zip(self.size_px, self.view_px, strict=True)
        )
        return list(product(rows, columns))

    def cut(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) → (B n, C, h, w): the n views of an image in a row."""
        if len(self.corners) == 1:
            return maps
        height, width = self.view_px
        views = [maps[:, :, y : y + height, x : x + width] for y, x in self.corners]
        return torch.stack(views, 1).flatten(0, 1)

    def joined(self, views: Tensor) -> Tensor:
        """(B n, C, h, w) → (B, C, H, W): means where views overlap."""
        if len(self.corners) == 1:
            return views
        by_view = views.unflatten(0, (-1, len(self.corners))).unbind(1)
        total = sum(self.placed(view, at) for view, at in zip(by_view, self.corners, strict=True))
        ones = torch.ones(1, 1, *self.view_px, device=views.device)
        times = sum(self.placed(ones, at) for at in self.corners)
        assert isinstance(total, Tensor)
        return total / times

    def placed(self, view: Tensor, corner: Corner) -> Tensor:
        """In an image of zeros."""
        (y, x), (height, width) = corner, self.view_px
        below, right = self.size_px[0] - y - height, self.size_px[1] - x - width
        return F.pad(view, (x, right, y, below))


def starts(side: int, view: int) -> list[int]:
    """As few views as cover the side."""
    count = ceil(side / view)
    return [round(k * (side - view) / max(1, count - 1)) for k in range(count)]


class TaughtGraph(nn.Module):
    """(B, H, W, 3) uint8 RGB → the tensors of the task, by name.

    rows: the biases of the image encoder, by channel or one for all.
    """

    def __init__(
        self,
        network: nn.Module,
        task: ChannelTask,
        support: tuple[NDArray[np.uint8], NDArray[np.float32]],
        rows: tuple[int, ...],
        windows: Windows,
    ) -> None:
        """support: images (N, H, W, 3) and labels (N, T, H, W) in [0, 1] or -1, at the size of
        the model's input."""
        super().__init__()
        self.network = with_biases(network, rows)
        self.task, self.windows, self.encodings = task, windows, len(rows)
        with torch.no_grad():
            memory = self.remembered(*support)
        self.levels = len(memory)
        self.register_buffer('line', torch.tensor(task.line))
        for level, (key, value) in enumerate(memory):
            self.register_buffer(f'key_{level}', key.clone())
            self.register_buffer(f'value_{level}', value.clone())

    def remembered(self, rgb: NDArray[np.uint8], labels: NDArray[np.float32]) -> Memory:
        """One image at a time: memory on the robot is one thing, here it may be hundreds."""
        keys: list[list[Tensor]] = []
        values: list[list[Tensor]] = []
        for image, label in zip(rgb, labels, strict=True):
            views = self.windows.cut(scaled(torch.from_numpy(image)[None]))
            shown = len(views)
            each = self.windows.cut(torch.from_numpy(label)[None]).transpose(0, 1).flatten(0, 1)
            maps = self.encoded(views, grouped=True)
            found = self.matching.memory(maps, each[:, None], shown)
            keys.append([key for key, _ in found])
            values.append([value for _, value in found])
        return [
            (torch.cat(key, 2), torch.cat(value, 2))
            for key, value in zip(zip(*keys, strict=True), zip(*values, strict=True), strict=True)
        ]

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        return self.answered(rgb, self.memory, self.get_buffer('line'))

    def answered(self, rgb: Tensor, memory: Memory, line: Tensor) -> dict[str, Tensor]:
        """With other examples than its own; line: as of ChannelTask."""
        maps = self.encoded(self.windows.cut(scaled(rgb)), grouped=False)
        probability = self.matching.answer(maps, memory).sigmoid()
        return self.task.decode(self.windows.joined(probability), line)

    def encoded(self, views: Tensor, grouped: bool) -> list[Tensor]:
        """(B, 3, h, w) → maps (B G, ...) for G sets of biases: by image, or grouped by set."""
        return encoded(self.matching, views, self.encodings, grouped)

    @property
    def matching(self) -> MatchingNetwork:
        found: Any = self.network
        matching: MatchingNetwork = found
        return matching

    @property
    def memory(self) -> Memory:
        return [
            (self.get_buffer(f'key_{level}'), self.get_buffer(f'value_{level}'))
            for level in range(self.levels)
        ]


def encoded(
    matching: MatchingNetwork, views: Tensor, encodings: int, grouped: bool
) -> list[Tensor]:
    """As `TaughtGraph.encoded`, with the first `encodings` sets of biases."""
    if encodings == 1:
        return matching.encode(views, None)
    rows = torch.arange(encodings, device=views.device)
    if grouped:
        repeated = views.repeat(encodings, 1, 1, 1)
        return matching.encode(repeated, rows.repeat_interleave(len(views)))
    repeated = views[:, None].expand(-1, encodings, -1, -1, -1).flatten(0, 1)
    return matching.encode(repeated, rows.repeat(views.shape[0]))


def scaled(rgb: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 → (B, 3, H, W) in [0, 1]. The cast comes first, for TensorRT."""
    return rgb.float().permute(0, 3, 1, 2) / 255


def with_biases(network: nn.Module, rows: tuple[int, ...]) -> nn.Module:
    """The network with the sets of biases that a task uses and no others. All other weights are
    the original's."""
    tensors = [*network.parameters(), *network.buffers()]
    chosen = copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})
    for module in chosen.modules():
        if isinstance(module, TaskLinear | TaskNorm):
            module.bias = nn.Parameter(module.bias[list(rows)].detach().clone(), False)
    return chosen.eval()


def taught_spec(graph: TaughtGraph, name: str, version: str, commit: str) -> ModelSpec:
    """The contract of the exported file; shapes come from one run of the graph."""
    size = (*graph.windows.size_px, 3)
    with torch.inference_mode():
        outputs = graph(torch.zeros(1, *size, dtype=torch.uint8))
    return ModelSpec(
        name=name,
        version=version,
        commit=commit,
        input=TensorSpec('rgb', (-1, *size), 'uint8'),
        outputs=tuple(tensor_spec(output, value) for output, value in outputs.items()),
        tasks={graph.task.name: graph.task.options()},
    )
