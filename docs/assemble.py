"""The sources of the site: `python -m docs.assemble FOLDER`, then Sphinx; `make docs` does both.

Pages of docs/, README as the first one, the reference and the results made from code and committed
files, so that they cannot drift, and whatever file of the repository a page links to. Links are
written as they hold in the repository and are turned to where things lie on the site.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from functools import partial
from pathlib import Path

from docs import python_api
from docs.reference import commands, messages, parameters, topics
from docs.results import RESULTS, performance, result_page

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r'(\]\()(?!https?:|#|mailto:)([^)#\s]+)')
CONTENTS = {
    'Start': ('start', 'installation', 'concepts', 'node'),
    'Tutorials': tuple(
        f'tutorials/{name}' for name in ('first-picture', 'recordings', 'robot', 'own-classes')
    ),
    'Inside': ('architecture', 'conventions'),
    'How to': tuple(
        f'howto/{name}'
        for name in (
            'predict', 'see', 'own-camera', 'usb-camera', 'realsense', 'zed', 'oak', 'gazebo',
            'isaac-sim', 'many-cameras', 'nav2', 'no-labels', 'own-data', 'own-model', 'jetson',
            'fastdds',
        )
    ),
    'Measure': ('devices', 'evaluation', 'compare', 'performance', 'reliability', 'security'),
    'Networks': (
        'bundled-model', 'networks', 'network-specification', 'vtm', 'training', 'runtimes',
        'tensorrt',
    ),
    'Reference': tuple(
        f'reference/{name}'
        for name in ('topics', 'parameters', 'messages', 'commands', 'python')
    ),
    'Python': tuple(f'reference/python/{name}' for name in python_api.PAGES),
}  # fmt: skip

MADE = {
    'performance.md': performance,
    'reference/topics.md': topics,
    'reference/parameters.md': parameters,
    'reference/messages.md': messages,
    'reference/commands.md': commands,
    'reference/python.md': python_api.index,
    **{f'reference/python/{name}.md': partial(python_api.page, name) for name in python_api.PAGES},
}


def assemble(folder: Path) -> None:
    """Writes everything that Sphinx reads; the folder is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in _sources():
        _put(folder, site_path(path), path)
    for name, make in MADE.items():
        _write(folder / name, make())
    with (folder / 'index.md').open('a') as index:
        index.write(_tables_of_contents(folder))


def _sources() -> list[Path]:
    """README, docs/, results, and what they link to, relative to the root."""
    results = sorted((ROOT / RESULTS).rglob('*'))
    found = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]
    found += [path for path in results if result_page(path) is not None]
    wanted = [path.relative_to(ROOT) for path in found]
    for path in wanted:  # grows
        links = LINK.findall((ROOT / path).read_text()) if path.suffix == '.md' else ()
        for target in (Path(os.path.normpath(path.parent / link)) for _, link in links):
            if target not in wanted and (ROOT / target).is_file():
                wanted.append(target)
    return wanted


def site_path(path: Path) -> Path:
    """Where a file of the repository (relative to its root) lies on the site."""
    if path == Path('README.md'):
        return Path('index.md')
    if path.is_relative_to('docs'):
        return path.relative_to('docs')
    if path.is_relative_to(RESULTS) and result_page(ROOT / path) is not None:
        name = '-'.join(path.relative_to(RESULTS).with_suffix('.md').parts)
        return Path('results', name)
    return Path('source', path)


def _put(folder: Path, name: Path, path: Path) -> None:
    if path.suffix == '.rst':
        _write(folder / name, f':orphan:\n\n{(ROOT / path).read_text()}')
        return
    text = result_page(ROOT / path) if name.parts[0] == 'results' else None
    if path.suffix != '.md' and text is None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / name)
        return
    text = (ROOT / path).read_text() if text is None else text

    def turned(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(path.parent / link[2]))
        return link[1] + os.path.relpath(site_path(target), name.parent)

    in_contents = str(name.with_suffix('')) in sum(CONTENTS.values(), ('index',))
    orphan = '' if in_contents else '---\norphan: true\n---\n\n'
    _write(folder / name, orphan + LINK.sub(turned, text))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _tables_of_contents(folder: Path) -> str:
    parts = []
    for caption, names in CONTENTS.items():
        there = [name for name in names if (folder / f'{name}.md').exists()]
        lines = '\n'.join(there)
        parts.append(f'\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{lines}\n```\n')
    return ''.join(parts)


if __name__ == '__main__':
    assemble(Path(sys.argv[1]))
