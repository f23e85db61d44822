"""Two reports whose differences can be checked by hand (evaluate/reports.py)."""

import json
import math
import re
from pathlib import Path

import pytest
from evaluate.reports import FIRST_NS, write_report

from mtscene_ros.cli.main import main
from mtscene_ros.evaluate.comparison.differences import (
    Comparison,
    Difference,
    compare,
    more_is_better,
)
from mtscene_ros.evaluate.pages.compare_page import cells
from mtscene_ros.evaluate.run.report_folder import ReportError, read_report

NAN = math.nan


def compared(folder: Path, a: dict[str, list[float]], b: dict[str, list[float]]) -> Comparison:
    reports = [write_report(folder / side, of) for side, of in (('a', a), ('b', b))]
    return compare(*map(read_report, reports))


def depth(found: Comparison) -> Difference:
    return next(d for d in found.differences if d.path == 'depth.abs_rel')


def test_over_sequences_the_totals_of_the_drawn_ones_are_compared(tmp_path: Path) -> None:
    """AbsRel 0.1 becomes 0.1 and 0.3: drawing twice gives changes of 0, 0.1 or 0.2."""
    found = compared(tmp_path, {'s': [11], 't': [11]}, {'s': [11], 't': [13]})
    of = depth(found)
    assert (of.a, of.b) == pytest.approx((0.1, 0.2))
    assert (of.low, of.high) == pytest.approx((0.0, 0.2), abs=1e-12)
    assert of.verdict == ''
    assert found.over == '2 sequences'
    assert 'rough' in found.notes[0]


def test_totals_come_from_sums_not_from_means_of_scores(tmp_path: Path) -> None:
    """Three images at 0.1, one at 0.5: 0.2, and not the mean of the sequences, 0.3."""
    one = {'s': [11.0, 11.0, 11.0], 't': [15.0]}
    assert depth(compared(tmp_path, one, one)).a == pytest.approx(0.2)


def test_a_change_in_every_sequence_is_sure(tmp_path: Path) -> None:
    a = {name: [11.0 + i] for i, name in enumerate('stuvw')}
    found = compared(tmp_path, a, {name: [v[0] + 1] for name, v in a.items()})
    of = depth(found)
    assert (of.low, of.high) == pytest.approx((0.1, 0.1))
    assert of.verdict == 'worse'
    assert not found.notes


def test_one_sequence_falls_back_to_frames_and_says_so(tmp_path: Path) -> None:
    """Images that both answered only; each changed by -0.1."""
    found = compared(tmp_path, {'s': [12, 13, NAN, 14, 11]}, {'s': [11, 12, 15, 13, NAN]})
    of = depth(found)
    assert (of.low, of.high, of.frame_change) == pytest.approx((-0.1, -0.1, -0.1))
    assert of.change == pytest.approx((0.1 + 0.2 + 0.5 + 0.3) / 4 - (0.2 + 0.3 + 0.4 + 0.1) / 4)
    assert (found.over, of.verdict) == ('frames', 'better')
    assert found.notes[0].startswith('There is only one sequence')


def test_frames_that_changed_most_come_first(tmp_path: Path) -> None:
    found = compared(tmp_path, {'s': [11, 11, 11, 11]}, {'s': [11, 12, 11, 15]})
    assert [(f.stamp_ns - FIRST_NS, f.path) for f in found.changed] == [
        (3, 'depth.abs_rel'),
        (1, 'depth.abs_rel'),
    ]
    assert (found.changed[0].a, found.changed[0].b) == pytest.approx((0.1, 0.5))


def test_sequences_of_one_report_only_are_named_and_left_out(tmp_path: Path) -> None:
    found = compared(tmp_path, {'s': [11], 't': [12]}, {'s': [11], 'u': [19]})
    assert depth(found).change == 0
    assert [note.split()[0] for note in found.notes[:2]] == ['t', 'u']
    with pytest.raises(ReportError, match='have no sequence in common'):
        compared(tmp_path / 'other', {'s': [11]}, {'t': [11]})


def test_a_single_sequence_is_found_in_a_report_of_several(tmp_path: Path) -> None:
    found = compared(tmp_path, {'s': [11]}, {'s': [12], 't': [19]})
    assert depth(found).change == pytest.approx(0.1)


def test_direction_of_scores() -> None:
    up = ('semantic.miou', 'semantic.iou traffic light', 'boxes3d.car.ap', 'depth.delta1')
    down = ('depth.abs_rel', 'latency.p99_ms', 'latency.infer.p50_ms', 'semantic.flicker')
    assert [more_is_better(path) for path in up] == [True] * 4
    assert [more_is_better(path) for path in down] == [False] * 4
    assert more_is_better('boxes3d.car.truths') is None


@pytest.mark.parametrize(
    ('conditions', 'status'),
    [
        ([], 0),
        (['depth.abs_rel > 0.11'], 0),
        (['depth.abs_rel > 0.11', 'depth.abs_rel > 0.09'], 1),
        (['depth.abs_rle > 0'], 2),
        (['depth.abs_rel'], 2),
    ],
)
def test_exit_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], conditions: list[str], status: int
) -> None:
    a, b = (str(write_report(tmp_path / n, {'s': [m, m]})) for n, m in (('a', 11), ('b', 12)))
    requested = [word for text in conditions for word in ('--fail-if', text)]
    assert main(['compare', a, b, *requested]) == status
    shown = capsys.readouterr()
    assert shown.err.count('\n') == (status > 0)
    if status == 1:
        assert 'depth.abs_rel > 0.09 holds, the change is +0.1' in shown.err
    if 'depth.abs_rle > 0' in conditions:
        assert 'did you mean depth.abs_rel?' in shown.err


def test_a_score_that_is_gone_fires(tmp_path: Path) -> None:
    a, b = (write_report(tmp_path / n, {'s': v}) for n, v in (('a', [11.0]), ('b', [NAN])))
    assert main(['compare', str(a), str(b), '--fail-if', 'depth.abs_rel > 5']) == 1


def test_equal_models_are_said_to_be_equal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side in 'ab':
        write_report(tmp_path / side, {'s': [11.0, 12.0]})
    assert main(['compare', str(tmp_path / 'a'), str(tmp_path / 'b')]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r'A and B are equal in \d+ scores\.', last)


def test_numbers_end_where_the_interval_makes_them_meaningless() -> None:
    """A half width of 0.02: two digits of it are hundredths and thousandths."""
    row = cells(Difference('depth.abs_rel', 0.123456, 0.2, 0.05, 0.09), over_frames=False)
    assert row[1:5] == ('0.123', '0.200', '+0.077', '+0.050 to +0.090')
    assert cells(Difference('x.miou', 1 / 3, 0.5), over_frames=False)[1] == '0.3333'


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = (str(write_report(tmp_path / n, {'s': [m, m]})) for n, m in (('a', 11), ('b', 12)))
    assert main(['compare', a, b, '--json', '--fail-if', 'depth.abs_rel > 0.05']) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed['differences']['depth.abs_rel']['change'] == pytest.approx(0.1)
    assert printed['differences']['depth.abs_rel']['verdict'] == 'worse'
    assert printed['fired'] == ['depth.abs_rel > 0.05']
    assert printed['changed_frames'][0]['stamp_ns'] == FIRST_NS


def test_the_page_is_written_without_the_recordings(tmp_path: Path) -> None:
    a, b = (str(write_report(tmp_path / n, {'s': [m, m]})) for n, m in (('a', 11), ('b', 12)))
    assert main(['compare', a, b, '-o', str(tmp_path / 'page.html')]) == 0
    page = (tmp_path / 'page.html').read_text()
    assert 'depth.abs_rel' in page
    assert 'There are no pictures of s' in page
    assert 'cannot be read' in page


def test_what_is_no_report_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['compare', str(tmp_path), str(tmp_path)]) == 2
    assert 'give a folder that `mtscene evaluate` wrote' in capsys.readouterr().err
