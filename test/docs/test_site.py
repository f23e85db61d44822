"""The pages of `make docs`: built by Sphinx, made of what the code says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs import reference
from docs.assemble import site_path
from docs.results import RESULTS, result_page
from mtscene_ros.cli.main import VERBS

from .commands import ROOT


def test_sphinx_accepts_every_page_and_link(site: Path) -> None:
    pages = (
        'index', 'performance', 'reference/topics', 'reference/python/line', 'howto/see',
        'results/drive_lite',
    )  # fmt: skip
    for page in pages:
        assert (site / f'{page}.html').stat().st_size > 5000


def test_the_python_reference_has_arguments_results_and_errors(site: Path) -> None:
    page = (site / 'reference' / 'python' / 'line.html').read_text()
    for part in ('open_estimator', 'output_scale', 'Parameters', 'Returns', 'Raises', 'metres'):
        assert part in page, part


def test_a_dead_link_is_refused(tmp_path: Path) -> None:
    pytest.importorskip('furo', reason='sphinx and furo are not installed: no pages are built')
    (tmp_path / 'pages').mkdir()
    (tmp_path / 'pages' / 'index.md').write_text('# Title\n\n[nowhere](nowhere.md)\n')
    command = [sys.executable, '-m', 'sphinx', '-W', '-q', '-c', str(ROOT / 'docs')]
    done = subprocess.run(
        [*command, str(tmp_path / 'pages'), str(tmp_path / 'site')], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert 'nowhere.md' in done.stderr


MESSAGES = ('FrameStats', 'Scene', 'Signal', 'StageTime')


def test_a_topic_that_nobody_described_stops_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    assert '`~/depth/image` | sensor_msgs/Image' in reference.topics()
    monkeypatch.delitem(reference.CONTENT, 'depth/image')
    with pytest.raises(KeyError, match='depth/image'):
        reference.topics()


def test_every_described_topic_exists() -> None:
    assert reference.CONTENT.keys() == {output.topic for output in reference.OUTPUTS}


def test_every_field_of_a_message_has_its_unit_and_meaning() -> None:
    text = reference.messages()
    assert '| `age_s` | float64 | s | from the stamp of the image to the publishing' in text
    numbers = re.findall(r'^\| `\w+` \| (?:u?int|float)\d+ \| (\S*) \|', text, re.M)
    assert len(numbers) == 8
    assert all(numbers)
    with pytest.raises(ValueError, match='no comment'):
        reference._fields_table(['float64 speed'])


def test_messages_and_commands_are_complete() -> None:
    assert [line for line in reference.messages().splitlines() if line.startswith('## ')] == [
        f'## mtscene_msgs/{name}' for name in (*(f'msg/{m}' for m in MESSAGES), 'srv/SwapModel')
    ]
    commands = reference.commands()
    assert all(f'\n## mtscene {verb}\n' in commands for verb in VERBS)
    assert commands.count('example:') == len(VERBS)


def test_results_become_tables() -> None:
    page = result_page(ROOT / RESULTS / 'worlds.json')
    assert page is not None
    assert '| drive | 512x256 | 762 |' in page
    assert result_page(ROOT / RESULTS / 'drive_lite.json') is None  # drive_lite.md says it


def test_where_files_lie_on_the_site() -> None:
    for path, want in (
        ('README.md', 'index.md'),
        ('docs/howto/see.md', 'howto/see.md'),
        ('benchmarks/results/trt_check.md', 'results/trt_check.md'),
        ('config/perception.yaml', 'source/config/perception.yaml'),
    ):
        assert str(site_path(Path(path))) == want
