"""What README and the pages of docs/ tell people to type works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .commands import IS_LONG, NOT_RUN, PAGES, ROOT, SLOW, UNTIL_STOPPED, Block, blocks, run

ALL = [block for page in PAGES for block in blocks(page)]
HAND_WRITTEN = [p for p in PAGES if {'howto', 'tutorials'} & {*p.parts} or p.name == 'README.md']


def is_run(block: Block) -> bool:
    if block.language not in ('bash', 'python') or block.marker.startswith(NOT_RUN):
        return False
    return IS_LONG or not block.marker.startswith((UNTIL_STOPPED, SLOW))


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_work(page: Path, tmp_path: Path) -> None:
    found = [block for block in blocks(page) if is_run(block)]
    if not found:
        pytest.skip('no commands that are run here')
    (tmp_path / 'docs').symlink_to(ROOT / 'docs')  # what a reader in the checkout has
    for block in found:
        run(block, tmp_path)


def test_every_marker_gives_a_reason() -> None:
    for block in ALL:
        reason = block.marker.removeprefix(NOT_RUN).removeprefix(SLOW)
        known = block.marker.startswith((NOT_RUN, SLOW)) and len(reason.split()) >= 3
        assert known or block.marker in ('', UNTIL_STOPPED), block


def test_few_are_left_out() -> None:
    """Of the blocks with commands, so that markers do not become a habit."""
    shown = [block for block in ALL if block.language in ('bash', 'python')]
    left_out = [block for block in shown if block.marker.startswith(NOT_RUN)]
    assert len(left_out) <= len(shown) / 2, [block.code for block in left_out]


@pytest.mark.parametrize('page', HAND_WRITTEN, ids=lambda page: page.name)
def test_every_block_says_what_it_is(page: Path) -> None:
    assert [block.code for block in blocks(page) if not block.language] == []


def test_targets_of_make_exist() -> None:
    targets = {name for block in ALL for name in re.findall(r'^make ([\w-]+)', block.code, re.M)}
    assert {'demo', 'test'} <= targets
    known = (ROOT / 'Makefile').read_text()
    assert [name for name in targets if not re.search(rf'^{name}:', known, re.M)] == []


def test_a_command_that_fails_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r'no_such\.mcap'):
        run(Block('page', '', 'bash', 'mtscene report no_such.mcap | cat'), tmp_path)
    with pytest.raises(AssertionError, match='ended by itself'):
        run(Block('page', UNTIL_STOPPED, 'bash', 'true'), tmp_path)


def test_make_runs_nothing_where_only_its_plan_is_wanted() -> None:
    """`make -n` runs recipe lines that call $(MAKE) or start with +: `make test` without end."""
    recipes = re.findall(r'^\t(.*)', (ROOT / 'Makefile').read_text(), re.M)
    assert len(recipes) > 30
    assert [line for line in recipes if re.search(r'\$[({]MAKE[)}]|^@?\+', line)] == []
