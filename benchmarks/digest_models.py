"""Models with stored digests: the bundled one, the tiny published ones, the compact family.

Weights of the last two are generated from the names of their entries (training/parity.py), so that
neither PyTorch's generator nor the order of timm's layers matters. Compact models are 128x64 px.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from mtscene_ros.backends import BACKENDS, BackendOptions, open_backend
from mtscene_ros.backends.constant import write
from mtscene_ros.models.catalogue import path_of
from mtscene_ros.models.spec import METADATA_KEY, ModelSpec, spec_from_json
from training import parity
from training.config import CONFIGS, CompactConfig, resized
from training.graphs.deploy import DeployGraph, merge_branches, normalised, spec_of
from training.graphs.deploy_published import PublishedGraph, default_camera, published_spec
from training.graphs.onnx_export import write_onnx
from training.graphs.simplify import simplified
from training.networks.decoders import compact_network, load_weights
from training.networks.zoo import COMPACT, TINY, NetworkConfig
from training.weights.checkpoints import load_network, without_prefix

ROOT = Path(__file__).parents[1]
BUNDLED = ('drive_lite', 'street_lite', 'room_lite')
Outputs = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """graph: the exported graph in torch; path: its model file."""

    graph: nn.Module
    spec: ModelSpec
    path: Path


def bundled(name: str, _: Path) -> Made:
    """Returns a bundled file and the network with the weights that training starts from. Those
    are stored as float16, so torch's outputs differ slightly from the file's."""
    config = CONFIGS[name]
    network = compact_network(config)
    load_weights(network, load_file(ROOT / 'training' / 'weights' / f'{name}.safetensors'))
    merge_branches(network.encoder)
    graph = DeployGraph(network, config).eval()
    return Made(graph, spec_of(graph, '0', 'canary'), Path(path_of(name)))


def tiny(name: str, config: NetworkConfig, folder: Path) -> Made:
    keys = json.loads((ROOT / 'test/data/networks' / name / 'keys.json').read_text())
    state = without_prefix(parity.made_up_checkpoint(keys))
    graph = PublishedGraph(simplified(load_network(config, state)[0]), config).eval()
    spec = published_spec(graph, name, '0', 'canary', default_camera(config))
    return Made(graph, spec, exported(graph, spec, folder / f'{name}.onnx'))


def compact(config: CompactConfig, folder: Path) -> Made:
    config = resized(config, 64, 128)
    network = compact_network(config)
    state = {k: parity.weight(k, tuple(v.shape)) for k, v in network.state_dict().items()}
    network.load_state_dict({k: torch.from_numpy(np.asarray(v)) for k, v in state.items()})
    if config.encoder.startswith('repvit'):
        settle(network, config)
    merge_branches(network.encoder)
    graph = DeployGraph(network, config).eval()
    spec = spec_of(graph, '0', 'canary')
    return Made(graph, spec, exported(graph, spec, folder / f'{config.name}.onnx'))


def settle(network: nn.Module, config: CompactConfig) -> None:
    """Computes batch statistics on seeded images. Otherwise activations would grow from layer to
    layer where branches add up, until rounding decides the result."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # averages over all images
    rgb = images(config.height_px, config.width_px)
    network.train()
    with torch.no_grad():
        network(normalised(torch.from_numpy(rgb)))


def exported(graph: nn.Module, spec: ModelSpec, path: Path) -> Path:
    """Exports the graph unless the file exists already."""
    if not path.exists():
        write_onnx(graph, spec, path)
    return path


MODELS: dict[str, Callable[[Path], Made]] = {
    **{name: partial(bundled, name) for name in BUNDLED},
    **{name: partial(tiny, name, config) for name, config in TINY.items()},
    # street_lite has the architecture of drive_lite, so that its seeded network would be the same.
    **{f'{n}_seeded': partial(compact, c) for n, c in COMPACT.items() if n != 'street_lite'},
}


def images(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Returns (2, H, W, 3): noise, and coloured squares of 16 px, as integers from PCG64, which
    are the same for every NumPy."""
    rng = np.random.Generator(np.random.PCG64(seed))
    noise = rng.integers(0, 256, (height, width, 3), np.uint8)
    squares = rng.integers(0, 256, (-(-height // 16), -(-width // 16), 3), np.uint8)
    large = squares.repeat(16, 0).repeat(16, 1)[:height, :width]
    return np.stack([noise, large])


def torch_outputs(made: Made, rgb: NDArray[np.uint8]) -> Outputs:
    with torch.inference_mode():
        return {name: value.numpy() for name, value in made.graph(torch.from_numpy(rgb)).items()}


def backend_outputs(name: str, made: Made, rgb: NDArray[np.uint8]) -> Outputs:
    backend = open_backend(name, str(made.path), BackendOptions(threads=1, max_batch=2))
    names = [output.name for output in spec_from_json(backend.spec_json, METADATA_KEY).outputs]
    outputs = backend.infer(rgb, names)
    backend.close()
    return outputs


def stored_outputs(made: Made, rgb: NDArray[np.uint8], folder: Path) -> Outputs:
    """Runs the backend `constant` with ONNX Runtime's outputs for the first image."""
    path = folder / 'stored.npz'
    spec = spec_from_json(open_spec(made.path), str(made.path))
    write(path, spec, backend_outputs('onnxruntime', made, rgb[:1]))
    return backend_outputs('constant', Made(made.graph, spec, path), rgb)


def open_spec(path: Path) -> str | None:
    from mtscene_ros.models.onnx_file import metadata_of

    return metadata_of(path).get(METADATA_KEY)


def outputs_of(backend: str, made: Made, folder: Path, seed: int = 0) -> Outputs:
    """Runs a backend: torch, constant, or another of BACKENDS."""
    rgb = images(made.spec.height_px, made.spec.width_px, seed)
    if backend == 'torch':
        return torch_outputs(made, rgb)
    if backend == 'constant':
        return stored_outputs(made, rgb, folder)
    assert backend in BACKENDS
    return backend_outputs(backend, made, rgb)
