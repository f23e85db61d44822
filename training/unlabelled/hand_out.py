"""Writes an adapted network as a checkpoint and as a model file that says what it learned from."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

from torch import nn

from mtscene_ros.models.about import About
from mtscene_ros.models.catalogue import licence_remark
from training.config import CompactConfig
from training.graphs.deploy import DeployGraph, merge_branches, spec_of
from training.graphs.onnx_export import current_commit, torch_answers, write_onnx
from training.graphs.reference import add_self_test
from training.learn.adapting import adaptation_of
from training.weights.checkpoint_store import save

VERSION = '0.1'
NON_COMMERCIAL_ID = 'LicenseRef-noncommercial'


def licence_of_adapted(name: str, is_commercial: bool) -> str:
    """Returns the licence that an adapted model has to state, '' for that of the user's frames.
    name: the model that it comes from."""
    is_free = is_commercial and not licence_remark(name)
    return '' if is_free else NON_COMMERCIAL_ID


def write_adapted(
    network: nn.Module,
    config: CompactConfig,
    out: Path,
    name: str,
    trained_on: str,
    is_commercial: bool = True,
) -> Path:
    """Writes adapted.pt, which training.export reads, and NAME.onnx. Returns the latter's path.
    is_commercial: False where a teacher's terms rule out commercial use; those of a bundled model
    that the network comes from are carried over. Raises OSError."""
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
    licence = licence_of_adapted(config.name, is_commercial)
    write_onnx(graph, spec, path, about=About(licence, trained_on))
    add_self_test(path, spec, torch_answers(graph))
    return path
