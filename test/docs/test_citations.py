"""Every file, module, name and section that a document or a docstring cites exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtscene_ros.ros.parameter_table import PARAMETERS

from .citations import (
    dead_citations,
    dead_in_document,
    dead_short_names,
    docstrings,
    documents,
    sources,
)
from .commands import ROOT

# What looks like a citation and names something else.
OTHERS = {parameter.name for parameter in PARAMETERS} | {
    'semantic.miou',  # a score
    'training/{image_2,calib,label_2}/ID.*',  # KITTI's folders
    'training/velodyne/ID.bin',
    'torchvision/version.py',
    'inputs.py',  # beside the authors' outputs (training/parity.py)
}


@pytest.mark.parametrize('page', documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_document_cites_exists(page: Path) -> None:
    assert dead_in_document(page) == []


def test_what_docstrings_cite_exists() -> None:
    dead = {}
    for path in sources():
        text = docstrings(path)
        found = dead_citations(text) + dead_short_names(text)
        dead[str(path.relative_to(ROOT))] = [name for name in found if name not in OTHERS]
    assert len(dead) > 250
    assert {name: found for name, found in dead.items() if found} == {}


@pytest.mark.parametrize(
    'dead',
    [
        'mtscene_ros/no_such.py',
        'no_such_folder/messages.py',
        'training/no_such/',
        'mtscene_ros.camera.no_such',
        'mtscene_ros.camera.letterbox.NoSuch',
        'mtscene_ros.camera.letterbox.Letterbox.no_such',
        'docs/network-specification.md, 4.9',
    ],
)
def test_a_dead_citation_is_found(dead: str) -> None:
    text = dead.replace('.md, ', '.md, section ')
    assert dead_citations(f'As (see {text}) says.') == [dead]


def test_a_living_citation_is_not_reported() -> None:
    text = (
        'mtscene_ros/camera/letterbox.py, tasks/depth.py, benchmarks/results/{soak,faults}.json, '
        '`mtscene_ros.camera.letterbox.Letterbox.to_network`, training.train, '
        'docs/network-specification.md, sections 4.1 and 5; docs/architecture.md, section Walls.'
    )
    assert dead_citations(text) == []


def test_a_dead_short_name_is_found() -> None:
    text = '`letterbox.Letterbox`, `letterbox.View`, `np.take`, `estimate`'
    assert dead_short_names(text) == ['letterbox.View']


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / 'page.md').write_text('[here](page.md), [there](no_such.md#part)\n')
    assert dead_in_document(tmp_path / 'page.md') == ['no_such.md']
