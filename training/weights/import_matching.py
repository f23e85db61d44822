"""Released checkpoints of Visual Token Matching → NAME.safetensors, what training/teach.py takes.

The part of `training.import_checkpoint` for networks that have no task of their own.
"""

from __future__ import annotations

import argparse
import sys

from training.networks.zoo import MATCHING
from training.weights.checkpoint_store import CheckpointError, save_weights
from training.weights.matching_checkpoints import imported

# Options that concern a model file.
OF_MODEL_FILES = (
    'size_px', 'focal_px', 'baseline_m', 'plain', 'opset', 'precision', 'licence', 'trained_on',
    'images', 'no_check',
)  # fmt: skip


def refuse_what_needs_a_task(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Ends the program where an option or the output asks for a model file."""
    for name in OF_MODEL_FILES:
        if getattr(options, name) != parser.get_default(name):
            flag = '--' + name.replace('_', '-')
            parser.error(
                f'{flag} concerns a model file, and {options.model} becomes one with a task only; '
                f'leave {flag} out and run training.teach on the imported weights.'
            )
    if options.out.suffix != '.safetensors':
        parser.error(
            f'{options.model} has no task yet, so that its weights are stored, not a model file; '
            f'name the output {options.out.stem}.safetensors and run training.teach on it.'
        )


def import_matching(options: argparse.Namespace) -> int:
    """Writes the weights; prints what was left out. Exit status 1 for a file that does not fit."""
    try:
        network, dropped = imported(options.checkpoint, options.tuned, MATCHING[options.model])
        options.out.parent.mkdir(parents=True, exist_ok=True)
        save_weights(options.out, network.state_dict())
    except (CheckpointError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    for key in dropped:
        print(f'left out, no output depends on it: {key}')
    rows = network.config.bias_rows
    print(
        f'{options.out}: {options.out.stat().st_size / 1e6:.1f} MB, biases for {rows} '
        f'{"channel" if rows == 1 else "channels"}'
    )
    return 0
