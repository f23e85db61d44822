"""Sphinx: its `-W` refuses dead links, it is kept well, and pages stay plain Markdown (MyST)."""

project = 'mtscene_ros'
extensions = ['myst_parser']
html_theme = 'furo'
html_title = project
myst_heading_anchors = 4
highlight_language = 'text'
