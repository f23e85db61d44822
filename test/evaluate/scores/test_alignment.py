"""Images and their truth, brought together without a model."""

from pathlib import Path
from typing import Any

import numpy as np
from conftest import tiny_spec
from evaluate.bags import FIRST_NS, PERIOD_NS, camera, options, recorded, truth

from mtscene_ros.evaluate.scores.alignment import Alignment
from mtscene_ros.evaluate.scores.frame_table import Row
from mtscene_ros.evaluate.scores.image_truth import ImageTruth, Prediction
from mtscene_ros.evaluate.truth.topics import topics_of
from mtscene_ros.recordings.bags import open_bag
from mtscene_ros.recordings.node_results import stamp_ns_of


def completed(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Stamp and truth of every image of a recording, in the order of their completion."""
    found: list[tuple[int, dict[str, Any]]] = []
    with open_bag(path) as bag:
        topics = topics_of(bag, tiny_spec(), options(''), found.append)
        truths = ImageTruth(topics, tiny_spec(), options(''), found.append)

        def complete(prediction: Prediction) -> None:
            found.append(
                (prediction.row.stamp_ns, dict(truths.of(prediction, {'semantic', 'boxes3d'})))
            )

        alignment = Alignment(bag, topics, truths, complete, found.append)
        for c, at_ns, raw in bag.messages([c for c in bag.connections if 'info' not in c.topic]):
            if c.topic == topics.image:
                row = Row(0, c.topic, stamp_ns_of(bag, raw))
                alignment.add(Prediction(row, at_ns, 'camera_optical_frame', None, {}))
            else:
                alignment.add_message(c.topic, c.msgtype, raw, at_ns)
        alignment.finish()
    return found


def test_every_image_is_completed_with_the_truth_of_its_stamp(tmp_path: Path) -> None:
    """Only the truth that is asked for; the moving stripe of label 10 tells the images apart."""
    found = completed(recorded(tmp_path / 'a.mcap', camera, truth, frames=3))
    assert [stamp for stamp, _ in found] == [FIRST_NS + k * PERIOD_NS for k in range(3)]
    for k, (_, truths) in enumerate(found):
        assert list(truths) == ['semantic']
        stripe = np.flatnonzero(truths['semantic'][31] == 10)
        assert stripe.tolist() == [4 * k, 4 * k + 1, 4 * k + 2, 4 * k + 3]
