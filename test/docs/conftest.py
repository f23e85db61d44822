"""The site, built once for all tests that look at it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from docs.assemble import assemble

from .commands import ROOT


@pytest.fixture(scope='session')
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built pages; fails with Sphinx's warnings, dead links among them."""
    pytest.importorskip('furo', reason='sphinx and furo are not installed: no pages are built')
    folder = tmp_path_factory.mktemp('site')
    assemble(folder / 'pages')
    options = ('-W', '--keep-going', '-q', '-c', str(ROOT / 'docs'))
    folders = (str(folder / 'pages'), str(folder / 'site'))
    command = [sys.executable, '-m', 'sphinx', *options, *folders]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / 'site'
