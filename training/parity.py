"""Checks that our networks reproduce the numbers of the reference folders (see README.md there).

python -m training.parity ../shared/networks/fixtures/invpt_vitb_pascal ...

A folder holds keys.json (name, shape and CRC of every entry), meta.json (input size, and standard
deviation and sampling of every output) and expected.npz. Weights and input are generated from
their names.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtscene_ros.terminal import exit_status
from training.graphs.simplify import simplified
from training.networks.detection3d import DetectionMaps
from training.networks.invpt import InvPTConfig
from training.networks.taskprompter import TaskPrompterConfig
from training.networks.zoo import NETWORKS, NetworkConfig
from training.weights.checkpoints import load_network, without_prefix
from training.weights.parity_matching import LIMIT as MATCHING_LIMIT
from training.weights.parity_matching import is_matching, matching_errors
from training.weights.reference_numbers import STRUCTURAL, normal, sampled, weight

# Reference folders whose names differ from those in the zoo.
FOLDER_NAMES = {'taskprompter_swinb_cs3d': 'taskprompter_swinb_cityscapes3d'}


def input_image(height_px: int, width_px: int, batch: int) -> Tensor:
    """Returns (B, 3, H, W), already normalised."""
    shape = (batch, 3, height_px, width_px)
    tag = f'input/{batch}x3x{height_px}x{width_px}'
    return torch.from_numpy(normal(tag, shape).astype(np.float32))


def made_up_checkpoint(keys: list[dict[str, Any]]) -> dict[str, Tensor]:
    """Generates the weights behind a folder's numbers, with the names of a released file."""
    state = {}
    for entry in keys:
        key = entry['key']
        if key.rsplit('.', 1)[-1] in STRUCTURAL:
            continue  # the architecture determines these buffers
        value = weight(key, tuple(entry['shape']))
        if value.dtype == np.float32 and zlib.crc32(value.tobytes()) != entry['crc32']:
            raise ValueError(f'{key}: its CRC differs from keys.json; check the version of NumPy.')
        state['module.' + key] = torch.from_numpy(value)
    return state


def check_structural(network: nn.Module, keys: list[dict[str, Any]]) -> None:
    """Checks that buffers determined by the architecture have the CRC of keys.json."""
    buffers = dict(network.named_buffers())
    for entry in keys:
        key = entry['key']
        if key.rsplit('.', 1)[-1] in STRUCTURAL and (
            zlib.crc32(buffers[key].numpy().tobytes()) != entry['crc32']
        ):
            raise ValueError(f"{key} differs from what the authors' architecture computes.")


def named_outputs(found: Any) -> dict[str, Tensor]:
    """Gives a network's outputs the names that the reference folders use."""
    if isinstance(found, dict):
        return found
    dense, further = found
    if isinstance(further, DetectionMaps):
        maps = {
            'cls': further.scores,
            'bbox': further.boxes,
            'dir': further.directions,
            'ctr': further.centerness,
        }
        levels = {f'3ddet/{k}/{i}': m for k, v in maps.items() for i, m in enumerate(v)}
        return {**dense, **levels}
    return {**dense, **{f'inter_preds/{name}': m for name, m in further.items()}}


def limit_of(config: NetworkConfig, output: str) -> float:
    """Returns the largest error that float32 explains (fixtures/README.md)."""
    if isinstance(config, InvPTConfig):
        return 1e-4
    if isinstance(config, TaskPrompterConfig):
        return 2e-4
    return 5e-3 if output.startswith('3ddet') else 1e-3


def errors(folder: Path, config: NetworkConfig, rewritten: bool = False) -> dict[str, float]:
    """Returns by output the largest error divided by the standard deviation of the full output.

    rewritten: whether to run the network that training/graphs/simplify.py makes of it."""
    meta = json.loads((folder / 'meta.json').read_text())
    keys = json.loads((folder / 'keys.json').read_text())
    state = made_up_checkpoint(keys)
    network, _ = load_network(config, without_prefix(state))
    del state  # frees memory: the network owns the weights now
    check_structural(network, keys)
    network = simplified(network) if rewritten else network
    size = meta['input']
    with torch.inference_mode():
        found = named_outputs(network(input_image(size['h'], size['w'], size['batch'])))
    expected = np.load(folder / 'expected.npz', allow_pickle=False)
    worst = {}
    for name, about in meta['outputs'].items():
        want = expected[f'out:{name}'].astype(np.float64)
        got = sampled(found[name].numpy(), about['sample'])
        if got.shape != want.shape:
            raise ValueError(f'{name} has shape {got.shape}, {folder} expects {want.shape}.')
        worst[name] = float(np.abs(got - want).max() / about['std'])
    return worst


def config_of(folder: Path) -> NetworkConfig:
    """Returns the configuration named in the folder's meta.json."""
    name = json.loads((folder / 'meta.json').read_text())['name']
    config = NETWORKS.get(FOLDER_NAMES.get(name, name))
    if config is None:
        raise SystemExit(f'{folder} belongs to {name!r}, which is none of {", ".join(NETWORKS)}.')
    return config


def found_in(folder: Path, rewritten: bool) -> dict[str, tuple[float, float]]:
    """Output → its error and the limit."""
    if is_matching(folder):
        return {name: (e, MATCHING_LIMIT) for name, e in matching_errors(folder).items()}
    config = config_of(folder)
    found = errors(folder, config, rewritten)
    return {name: (error, limit_of(config, name)) for name, error in found.items()}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('folders', nargs='+', type=Path)
    parser.add_argument(
        '--simplified', action='store_true', help='run the simplified network that is exported'
    )
    options = parser.parse_args(arguments)
    failures = 0
    for folder in options.folders:
        for name, (error, limit) in found_in(folder, options.simplified).items():
            failed = not error <= limit  # NaN fails too
            failures += failed
            verdict = 'TOO LARGE' if failed else 'ok'
            print(f'{folder.name:32} {name:24} {error:9.2e} (limit {limit:.0e}) {verdict}')
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        print(f'{folder.name}: peak memory of this process so far {peak_gb:.2f} GB', flush=True)
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(exit_status(main))
