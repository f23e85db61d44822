"""Sphinx: its `-W` refuses dead links, it is kept well, and pages stay plain Markdown (MyST)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs.docstrings import on_docstring

project = 'mtscene_ros'
extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon']
html_theme = 'furo'
html_title = project
html_static_path = ['static']
html_css_files = ['site.css']
myst_heading_anchors = 4
highlight_language = 'text'

default_role = 'code'
autodoc_default_options = {'members': True, 'member-order': 'bysource'}
autodoc_typehints = 'none'  # docstrings.py lists them, as the source writes them
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False


def setup(app: Any) -> None:
    """Before napoleon, which has the priority 500."""
    app.connect('autodoc-process-docstring', on_docstring, priority=400)
