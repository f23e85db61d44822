"""The numbers of a report's page, from the scores of a card."""

from pathlib import Path

import numpy as np

from mtscene_ros.evaluate.pages.page_tables import sequences, summary
from mtscene_ros.evaluate.run.report_folder import Report, SequenceReport
from mtscene_ros.evaluate.scores.meters import LabelMeter
from mtscene_ros.evaluate.scores.scorecard import Scorecard


def report_of_parts() -> Report:
    """Two recordings, each right in three of four pixels: IoU 2 / 3 and 1 / 2."""
    card, meter = Scorecard(), LabelMeter(['head', 'torso'])
    meter.update(np.array([[0, 0, 0, 1]], np.uint8), np.array([[0, 0, 1, 1]], np.uint8))
    card.meters['human_parts'] = 'labels', meter
    metrics = {'counts': card.counts, 'metrics': card.metrics()}
    parts = tuple(SequenceReport(name, Path(name), metrics) for name in ('a', 'b'))
    return Report(Path(), metrics, parts)


def test_parts_of_persons_have_a_tile() -> None:
    tile = '<b>58.3 %</b><span>mIoU of parts</span>'  # (2 / 3 + 1 / 2) / 2
    assert tile in summary(report_of_parts())


def test_parts_of_persons_have_a_column() -> None:
    text = sequences(report_of_parts())
    assert 'mIoU of parts' in text
    assert text.count('58.3 %') == 3  # a, b, all
