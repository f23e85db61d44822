"""A 3x3 convolution of a bilinearly enlarged map, computed at the low resolution.

Proof. Let up_s be the interpolation and S_ij the shift of the enlarged map by dilation * (i - 1)
rows and dilation * (j - 1) columns that lets zeros in. A zero-padded convolution is

    conv(up_s(x)) = sum_ij W_ij S_ij up_s(x),    W_ij (outputs, inputs), i, j = 0, 1, 2.
W_ij mixes channels while S_ij and up_s move pixels, so they commute: W_ij S_ij up_s(x) equals S_ij
up_s(W_ij x), and the nine products involve s^2 times fewer pixels. Shift and interpolation are
both separable and linear: S_ij up_s(z) = R_i z C_j^T with constant matrices R_i (rows out, rows
in) and C_j (columns out, columns in), which include the clamping of the interpolation at the
border and the zeros of the padding, so nothing is approximated. A constant added to x (the bias of
a 1x1 convolution before the enlargement) is interpolated to itself, so W_ij may be applied to it
too.

An output pixel depends on few input pixels, so the matrices are banded: they are cut into blocks
of about BLOCK input pixels, and only nonzero blocks are multiplied.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

F64 = NDArray[np.float64]
BLOCK = 16
# Measured with ONNX Runtime's CPU provider: columns per tile, and how full tiles must be.
TILE, WORTH = 16, 0.9
Band = tuple[int, int, F64]  # first input, end of the inputs, matrix (outputs, taps * inputs)


def interpolation_matrix(inputs: int, outputs: int) -> F64:
    """Returns (outputs, inputs): bilinear, half-pixel centres, clamped, like `vit.resized` on one
    axis."""
    at = np.maximum((np.arange(outputs) + 0.5) * inputs / outputs - 0.5, 0)
    low = np.minimum(at.astype(int), inputs - 1)
    high = np.minimum(low + 1, inputs - 1)
    matrix = np.zeros((outputs, inputs))
    np.add.at(matrix, (np.arange(outputs), low), 1 - (at - low))
    np.add.at(matrix, (np.arange(outputs), high), at - low)
    return matrix


def tap_matrices(inputs: int, outputs: int, dilation: int) -> F64:
    """Returns (3, outputs, inputs): interpolates, then shifts so that output k reads k + dilation
    (t - 1); rows that would read outside are zero."""
    matrix = interpolation_matrix(inputs, outputs)
    taps = np.zeros((3, outputs, inputs))
    for t in range(3):
        source = np.arange(outputs) + dilation * (t - 1)
        inside = (source >= 0) & (source < outputs)
        taps[t, inside] = matrix[source[inside]]
    return taps


def bands(inputs: int, outputs: int, dilation: int) -> list[Band]:
    """Concatenates the tap matrices and cuts them into blocks of outputs with the inputs that
    these depend on."""
    taps = tap_matrices(inputs, outputs, dilation)
    edges = np.linspace(0, outputs, max(1, inputs // BLOCK) + 1).round().astype(int)
    found: list[Band] = []
    for begin, end in pairwise(edges):
        used = np.flatnonzero(taps[:, begin:end].any((0, 1)))
        low, high = int(used[0]), int(used[-1]) + 1
        found.append((low, high, np.concatenate(list(taps[:, begin:end, low:high]), 1)))
    return found


class UpsampledConv(nn.Module):
    """(B, inputs, h, w) → (B, outputs, H, W): convolves the map enlarged to (H, W).

    weight: (outputs, inputs, 3, 3), padding = dilation; bias: (outputs,) or None; before: a 1x1
    convolution between the map and its enlargement, which is folded into the taps.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        size: tuple[int, int],
        enlarged: tuple[int, int],
        dilation: int = 1,
        before: nn.Conv2d | None = None,
    ) -> None:
        super().__init__()
        outputs = weight.shape[0]
        self.outputs, self.enlarged = outputs, enlarged
        # Taps are ordered (row, output, column), so that values summed next lie together in
        # memory.
        taps = weight.detach().permute(2, 0, 3, 1).flatten(0, 2)  # (9 outputs, inputs)
        constant = None
        if before is not None:
            if before.bias is not None:
                constant = nn.Parameter((taps @ before.bias).detach(), False)
            taps = (taps @ before.weight.flatten(1)).detach()
        self.taps = nn.Conv2d(taps.shape[1], len(taps), 1, bias=False, device='meta')
        self.taps.weight = nn.Parameter(taps[:, :, None, None].contiguous(), False)
        self.taps.bias = constant
        self.bias = None if bias is None else nn.Parameter(bias[:, None].clone(), False)
        # One product per row needs no transposed copy, but fills tiles of TILE columns less well.
        self.multiplies = size[1] / (-(-size[1] // TILE) * TILE) >= WORTH
        self.rows = self.keep('row', bands(size[0], enlarged[0], dilation), weight)
        self.columns = self.keep('column', bands(size[1], enlarged[1], dilation), weight)

    def keep(self, axis: str, cut: list[Band], like: Tensor) -> list[tuple[int, int]]:
        """Registers the matrices as buffers and returns their input ranges. Columns are multiplied
        from the right, with taps before inputs; rows from the left, with inputs before taps.
        """
        for k, (low, high, matrix) in enumerate(cut):
            if axis == 'row':
                by_tap = matrix.reshape(-1, 3, high - low)
                matrix = by_tap.transpose(0, 2, 1).reshape(len(matrix), -1)
            else:
                matrix = matrix.T
            band = torch.from_numpy(matrix.copy()).to(like)
            self.register_buffer(f'{axis}_{k}', band, persistent=False)
        return [(low, high) for low, high, _ in cut]

    def forward(self, x: Tensor) -> Tensor:
        return self.by_rows(x).permute(0, 2, 1, 3)

    def by_rows(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) → (B, H, outputs, W), the layout of the products; sums and activations
        can use it without a copy."""
        batch, _, height, _ = x.shape
        z = self.tap_products(x).unflatten(2, (3 * self.outputs, 3))  # (B, h, 3 O, 3, w)
        parts = [
            z[..., low:high].flatten(3) @ self.get_buffer(f'column_{k}')
            for k, (low, high) in enumerate(self.columns)
        ]
        wide = parts[0] if len(parts) == 1 else torch.cat(parts, 3)  # (B, h, 3 O, W)
        wide = wide.reshape(batch, 3 * height, self.outputs * self.enlarged[1])
        parts = [
            self.get_buffer(f'row_{k}') @ wide[:, 3 * low : 3 * high]
            for k, (low, high) in enumerate(self.rows)
        ]
        tall = parts[0] if len(parts) == 1 else torch.cat(parts, 1)  # (B, H, O W)
        maps: Tensor = tall.unflatten(2, (self.outputs, self.enlarged[1]))
        return maps if self.bias is None else maps + self.bias

    def tap_products(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) → (B, h, 9 O, w)."""
        if not self.multiplies:
            products: Tensor = self.taps(x).permute(0, 2, 1, 3)
            return products
        found = self.taps.weight.flatten(1) @ x.permute(0, 2, 1, 3)
        return found if self.taps.bias is None else found + self.taps.bias[:, None]
