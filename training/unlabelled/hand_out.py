"""Writes an adapted network as a checkpoint and as a model file that says what it learned from."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

from torch import nn

from mtscene_ros.models.about import About
from training.config import CompactConfig
from training.graphs.deploy import DeployGraph, merge_branches, spec_of
from training.graphs.onnx_export import current_commit, write_onnx
from training.learn.adapting import adaptation_of
from training.weights.checkpoint_store import save

VERSION = '0.1'


def write_adapted(
    network: nn.Module, config: CompactConfig, out: Path, name: str, trained_on: str
) -> Path:
    """Writes adapted.pt, which training.export reads, and NAME.onnx. Returns the latter's path.
    Raises OSError."""
    out.mkdir(parents=True, exist_ok=True)
    about = {'config': config.name, 'adapted': adaptation_of(config), 'code': current_commit()}
    state = {**about, 'step': 0, 'trained_on': trained_on, 'average': network.state_dict()}
    save(out / 'adapted.pt', state)
    deployed = copy.deepcopy(network).eval()
    encoder = deployed.encoder
    assert isinstance(encoder, nn.Module)
    merge_branches(encoder)
    graph = DeployGraph(deployed, replace(config, name=name)).eval()
    path = out / f'{name}.onnx'
    spec = spec_of(graph, VERSION, current_commit())
    write_onnx(graph, spec, path, about=About(trained_on=trained_on))
    return path
