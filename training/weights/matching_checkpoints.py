"""Checkpoints of Visual Token Matching → our network, entry by entry.

The authors' are PyTorch Lightning's: {'state_dict': ..., 'hyper_parameters': ...}, keys with the
prefix `model.`. A fine-tuned one holds nothing but the biases of the image encoder, one row for
every channel of its task, and is laid over the meta-trained one.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.networks.vtm import PATCH_PX, VTMConfig, VTMNetwork
from training.networks.vtm_beit import TOKEN_CLASSES
from training.weights.checkpoint_store import CheckpointError, read_file, read_safetensors
from training.weights.checkpoints import (
    complaint,
    mismatches,
    shape_of,
    structural_complaints,
)
from training.weights.released_files import is_state, numpy_scalars

State = dict[str, Tensor]
PREFIX = 'model.'
BEIT = 'image_backbone.backbone.beit.'
LABEL = 'label_backbone.backbone.'
# No output depends on these.
DEAD = re.compile(
    rf'{re.escape(BEIT)}(norm|fc_norm|head)\.'
    rf'|{re.escape(LABEL)}pretrained\.model\.(norm|head)\.'
    rf'|{re.escape(LABEL)}scratch\.refinenet4\.resConfUnit1\.'
)
TASK_BIAS = re.compile(
    rf'{re.escape(BEIT)}blocks\.\d+\.(norm1|norm2|attn\.proj|mlp\.fc1|mlp\.fc2)\.bias'
)


class Settings:
    """Stands for the EasyDict of the hyper-parameters, which nothing here reads: the file's own
    class would be code."""

    def __new__(cls) -> Any:
        return OrderedDict()


def read_matching(path: Path) -> State:
    """State dictionary of a checkpoint of the authors, meta-trained or fine-tuned, or of a
    safetensors file. Runs no code of the file. Raises CheckpointError."""
    if path.suffix == '.safetensors':
        if not path.is_file():
            raise CheckpointError(f'{path} does not exist; give the path of a checkpoint.')
        return read_safetensors(path)
    loaded = read_file(path, [*numpy_scalars(), (Settings, 'easydict.EasyDict')])
    state = loaded.get('state_dict', loaded) if isinstance(loaded, dict) else loaded
    if not is_state(state):
        raise CheckpointError(
            f'{path} holds no state dictionary (neither at the top nor under "state_dict"); '
            'give a checkpoint of Visual Token Matching.'
        )
    return {key.removeprefix(PREFIX): value for key, value in state.items()}


def shape_config(state: Mapping[str, Tensor]) -> VTMConfig:
    """What the shapes of a checkpoint say about its network. The taps are at each quarter of the
    depth, and both encoders have as many heads. Raises CheckpointError."""
    try:
        table = state[f'{BEIT}blocks.0.attn.relative_position_bias_table']
        blocks = {
            m[1] for key in state if (m := re.match(rf'{re.escape(BEIT)}blocks\.(\d+)\.', key))
        }
        rows, width = state[f'{BEIT}blocks.0.norm1.bias'].shape
        grid = (round((len(table) - TOKEN_CLASSES) ** 0.5) + 1) // 2
        levels = [state[f'{LABEL}pretrained.act_postprocess{k}.0.bias'] for k in (1, 2, 3, 4)]
        one, two, three, four = (len(level) for level in levels)
        features = len(state[f'{LABEL}scratch.layer1_rn.weight'])
        heads = table.shape[1]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise CheckpointError(
            f'The file is no meta-trained checkpoint of Visual Token Matching ({error}).'
        ) from None
    step = len(blocks) // 4
    taps = (step, 2 * step, 3 * step, 4 * step)
    return VTMConfig(
        width, len(blocks), heads, taps, PATCH_PX * grid, (one, two, three, four), features, rows
    )


def load_matching(config: VTMConfig, state: Mapping[str, Tensor]) -> tuple[VTMNetwork, list[str]]:
    """Network in evaluation mode that owns the tensors of `state`, and the dead keys left out.

    Raises CheckpointError naming every missing, unexpected and mis-shaped entry.
    """
    with torch.device('meta'):
        network = VTMNetwork(config)
    state = dict(state)
    dead = [key for key in state if DEAD.match(key)]
    for key in dead:
        del state[key]
    complaints = structural_complaints(network, state)
    complaints += twin_complaints(state)
    complaints += mismatches(network.state_dict(), state)
    if complaints:
        raise CheckpointError('The checkpoint does not fit the network.\n' + '\n'.join(complaints))
    floats = {key: value.float() for key, value in state.items()}
    network.load_state_dict(floats, assign=True)
    return network.eval().requires_grad_(False), dead


def twin_complaints(state: State) -> list[str]:
    """Takes out pre_ln_k, the second name of pre_ln_q; where it is missing or has other numbers
    than its twin it is named. Files of ours store it once."""
    stored = [key for key in state if '.pre_ln_k.' in key]
    if not stored:
        return []
    twins = {k.replace('pre_ln_q', 'pre_ln_k'): v for k, v in state.items() if '.pre_ln_q.' in k}
    missing = [f'{key} {shape_of(value)}' for key, value in twins.items() if key not in state]
    different = [k for k in stored if k in twins and not torch.equal(state[k], twins[k])]
    for key in stored:
        if key in twins:
            del state[key]
    return complaint('missing', missing) + complaint('with other values than pre_ln_q', different)


def laid_over(state: Mapping[str, Tensor], tuned: Mapping[str, Tensor]) -> State:
    """A meta-trained state with the biases of a fine-tuned one in place of its own.

    Raises CheckpointError naming every bias that is missing, everything that is none, and what
    has another shape than (channels, width).
    """
    biases = {key: value for key, value in state.items() if TASK_BIAS.fullmatch(key)}
    rows = {len(v) for k, v in tuned.items() if k in biases and v.ndim == 2}
    channels = min(rows, default=0)
    expected = {k: v.new_empty(channels, *v.shape[1:], device='meta') for k, v in biases.items()}
    complaints = mismatches(expected, tuned)
    if complaints:
        raise CheckpointError(
            'The fine-tuned checkpoint does not fit the meta-trained one: it has to hold its '
            'biases per task and nothing else.\n' + '\n'.join(complaints)
        )
    return {**state, **tuned}


def imported(
    path: Path, tuned: Path | None = None, expected: VTMConfig | None = None
) -> tuple[VTMNetwork, list[str]]:
    """A checkpoint, with a fine-tuned one laid over it → the network, and the dead keys left out.

    expected: the network that it has to be, whatever the number of its channels. Raises
    CheckpointError.
    """
    state = read_matching(path)
    if tuned is not None:
        state = laid_over(state, read_matching(tuned))
    config = shape_config(state)
    if expected is not None:
        config = replace(expected, bias_rows=config.bias_rows)
    return load_matching(config, state)


def untouched_rows(network: VTMNetwork) -> tuple[int, ...]:
    """Sets of biases that meta-training left as BEiT had them, those of the tasks that it left
    out: the ones that are there more than once. A task that nobody fine-tuned for takes one."""
    biases: list[Tensor] = [v for key, v in network.named_parameters() if TASK_BIAS.fullmatch(key)]
    together = torch.cat(biases, 1)
    return tuple(
        row
        for row in range(len(together))
        if sum(torch.equal(together[row], other) for other in together) > 1
    )


def tuned_names(network: nn.Module) -> list[str]:
    """Parameters that a task may change: of Visual Token Matching the image encoder's biases per
    task, of a compact network all biases and the scales of its normalisations."""
    found = dict(network.named_parameters())
    biases = [name for name in found if TASK_BIAS.fullmatch(name)]
    return biases or [name for name, value in found.items() if value.ndim == 1]
