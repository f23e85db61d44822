"""Evaluates one model on one recording: writes metrics.json, frames.parquet, predictions.mcap.

    messages in recorded order
      → arrivals.py      images that a node would process
      → camera_frames.py, estimator.py, outputs.py       as in the node
      → predictions.py   what it would publish
      → alignment.py     results wait for the truth with the same stamp
      → scoring.py, judge.py    scores of the image, sums over the recording

A recording is read once, from front to back, and never kept in memory.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from mtscene_ros.backends import BackendError, BackendOptions
from mtscene_ros.camera.camera_frames import CameraFrames
from mtscene_ros.camera.images import ImageError, max_file_pixels
from mtscene_ros.camera.mailbox import Counts
from mtscene_ros.estimator import SceneEstimator, open_estimator
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.evaluate.run.arrivals import Arrival, RealTime, Stepwise
from mtscene_ros.evaluate.run.notes import Notes
from mtscene_ros.evaluate.run.predictions import Predictions
from mtscene_ros.evaluate.run.report_folder import FORMAT, METRICS, read_metrics, write_metrics
from mtscene_ros.evaluate.scores.alignment import Alignment
from mtscene_ros.evaluate.scores.frame_table import Row, check_pyarrow, write_frames
from mtscene_ros.evaluate.scores.image_truth import ImageTruth, Prediction
from mtscene_ros.evaluate.scores.judge import Judge
from mtscene_ros.evaluate.scores.mds import MdsError, MdsFiles
from mtscene_ros.evaluate.scores.scoring import Scoring
from mtscene_ros.evaluate.truth.topics import Topics, topics_of
from mtscene_ros.models.catalogue import BUNDLED_MODEL
from mtscene_ros.models.checksum import sha256_of
from mtscene_ros.recordings.bags import BagError, CheckedReader, open_bag
from mtscene_ros.recordings.node_results import stamp_ns_of
from mtscene_ros.tasks.reach import reach_m, reach_sentence
from mtscene_ros.terminal import Bar, plural
from mtscene_ros.types import CameraFrame, Scene

LARGE_BYTES = 500_000_000  # of predictions that are announced


def evaluate_bag(bag: Path, options: EvaluateOptions, into: Path) -> dict[str, Any]:
    """Evaluates `bag` into the folder `into`; returns the content of its metrics.json.

    Raises BagError where nothing can be scored, BackendError and SpecError for the model,
    ValueError for options that do not fit the recording.
    """
    check_pyarrow()
    notes = Notes()
    into.mkdir(parents=True, exist_ok=True)
    settings = BackendOptions(threads=options.threads, precision=options.precision)
    estimator = open_estimator(options.model, options.backend, settings)
    try:
        estimator.warm_up()
        estimator.watch.options = options.watch
        with (
            open_bag(bag) as reader,
            tempfile.TemporaryDirectory(prefix='.mds-', dir=into) as scratch,
        ):
            topics = topics_of(reader, estimator.spec, options, notes.add)
            session = BagRun(reader, topics, estimator, options, notes, Path(scratch))
            with Predictions(into / 'predictions.mcap', estimator.spec, options) as predictions:
                session.run(predictions)
            session.score_mds()
        session.check_any(bag)
        write_frames(into / 'frames.parquet', session.rows)
        found = {**about(bag, estimator, options, session), **session.result(into)}
    finally:
        estimator.backend.close()
    write_metrics(into, found)
    return read_metrics(into / METRICS)


def about(
    bag: Path, estimator: SceneEstimator, options: EvaluateOptions, session: BagRun
) -> dict[str, Any]:
    """Describes the model, the runtime and the recording."""
    spec, path = estimator.spec, Path(options.model or BUNDLED_MODEL)
    return {
        'format': FORMAT,
        'model': {
            'name': spec.name,
            'version': spec.version,
            'commit': spec.commit,
            'sha256': sha256_of(path),
        },
        'backend': estimator.backend.description,
        'precision': estimator.backend.precision,
        'mtscene_ros': own_version(),
        'bag': {'name': bag.name, 'path': str(bag.resolve()), 'frames': len(session.rows)},
    }


def own_version() -> str:
    try:
        return metadata.version('mtscene_ros')
    except metadata.PackageNotFoundError:  # a checkout without an installation
        return 'unknown'


class BagRun:
    """The state while one recording is read."""

    def __init__(
        self,
        reader: CheckedReader,
        topics: Topics,
        estimator: SceneEstimator,
        options: EvaluateOptions,
        notes: Notes,
        scratch: Path,
    ) -> None:
        self._reader, self._topics, self._estimator = reader, topics, estimator
        self._options, self._notes = options, notes
        self._mds = MdsFiles(scratch) if options.mds else None
        self._judge = Judge(estimator.spec, options, topics.sources)
        truth = ImageTruth(topics, estimator.spec, options, notes.add)
        scoring = Scoring(self._judge, truth, options, notes.add, self._mds)
        self._hold_ns = round(1e9 * options.truth_delay_s)
        self._alignment = Alignment(reader, topics, truth, scoring.score, notes.add, self._hold_ns)
        self._frames = CameraFrames(
            '',
            topics.info,
            options.input_is_rectified,
            max_file_pixels(),
            image_topic=topics.image,
        )
        self._arrivals = RealTime(self._drop) if options.realtime else Stepwise()
        self._counts = Counts()
        self._last_stamp_ns, self._is_announced = -1, False
        self._end_ns: int | None = None  # nothing later is needed
        self.rows: list[Row] = []

    def run(self, predictions: Predictions) -> None:
        """Reads the recording to its end or to the first damage."""
        connections = [c for c in self._reader.connections if c.topic in self._topics.wanted]
        total = sum(c.msgcount for c in connections if c.topic == self._topics.image)
        total = min(total, self._options.max_frames or total)
        self._frames.info = self._first_info()
        with Bar('frame', total, is_wanted=self._options.progress) as bar:
            for connection, at_ns, raw in self._messages(connections):
                if self._end_ns is not None and at_ns > self._end_ns:
                    break
                if connection.topic == self._topics.image:
                    self._image(raw, at_ns, connection.msgtype, predictions)
                    self._announce(predictions.bytes_per_image, total)
                    bar.step()
                elif connection.topic == self._topics.info:
                    self._frames.info = self._reader.message(connection, raw) or self._frames.info
                else:
                    self._alignment.add_message(connection.topic, connection.msgtype, raw, at_ns)
            for taken in self._arrivals.rest():
                self._work(taken, predictions)
        self._alignment.finish()

    def _first_info(self) -> Any:
        """Returns the first camera_info, also for images recorded before it; None without one."""
        found = [c for c in self._reader.connections if c.topic == self._topics.info]
        with contextlib.suppress(BagError):  # the damage is found again where it matters
            for connection, _, raw in self._reader.messages(found) if found else ():
                return self._reader.deserialize(raw, connection.msgtype)
        return None

    def _announce(self, bytes_per_image: int, total: int) -> None:
        """Says once how large the predictions become, where that matters."""
        expected = bytes_per_image * total
        if self._is_announced or not bytes_per_image:
            return
        self._is_announced = True
        if expected >= LARGE_BYTES and self._options.progress:
            print(
                f'predictions.mcap takes up to {expected / 1e9:.1f} GB for '
                f'{plural(total, "image")} ({bytes_per_image / 1e6:.1f} MB each, before '
                'compression); --outputs chooses what it holds.',
                file=sys.stderr,
            )

    def _messages(self, connections: list[Any]) -> Iterator[tuple[Any, int, Any]]:
        """Yields messages until one cannot be read."""
        try:
            yield from self._reader.messages(connections)
        except Exception as error:  # rosbags passes on the errors of several libraries
            self._notes.add(
                f'The recording cannot be read to its end ({error}); the part before it is scored.'
            )

    def _image(self, raw: Any, at_ns: int, kind: str, predictions: Predictions) -> None:
        if self._options.max_frames and len(self.rows) >= self._options.max_frames:
            return
        stamp_ns = stamp_ns_of(self._reader, raw)
        arrival = Arrival(len(self.rows), at_ns, stamp_ns, (raw, kind))
        self._counts.received += 1
        self.rows.append(Row(arrival.index, self._topics.image, stamp_ns))
        if stamp_ns <= self._last_stamp_ns:
            self._notes.add(
                'The stamps of the images do not increase; set the clock of the camera.'
            )
        self._last_stamp_ns = stamp_ns
        for taken in self._arrivals.arrive(arrival):
            self._work(taken, predictions)
        if len(self.rows) == self._options.max_frames:
            self._end_ns = at_ns + self._hold_ns  # its truth may come later

    def _drop(self, arrival: Arrival) -> None:
        row = self.rows[arrival.index]
        row.status, row.reason = 'dropped', 'a newer image arrived while another was processed'
        self._counts.dropped += 1

    def _work(self, arrival: Arrival, predictions: Predictions) -> None:
        row, start_s = self.rows[arrival.index], time.perf_counter()
        raw, kind = arrival.message
        try:
            frame, remarks = self._frames.frame(self._reader.deserialize(raw, kind))
            image_s = time.perf_counter() - start_s
            [scene] = self._estimator.estimate([frame])
            made_s = time.perf_counter()
            made = predictions.made(scene)
        except Exception as error:  # as in the node, a failed image is counted
            row.status, row.reason = 'failed', sentence_of(error)
            self._counts.failed += 1
            self._notes.add(row.reason)
            self._arrivals.done(time.perf_counter() - start_s)
            return
        for remark in remarks if self._topics.info or not frame.frame_id else ():
            self._notes.add(remark.text)
        for sentence in (*scene.warnings, *self._short_reach(frame)):
            self._notes.add(sentence)
        stage_s = {
            'receive': self._arrivals.waited_s,
            'image': image_s,
            **scene.stage_s,
            'serialise': time.perf_counter() - made_s,
        }
        self._counts.published += 1
        self._publish(scene, arrival, stage_s, row)
        predictions.write(made, scene, arrival.at_ns, stage_s, self._counts)

    def _publish(
        self, scene: Scene, arrival: Arrival, stage_s: dict[str, float], row: Row
    ) -> None:
        waited_s = stage_s['receive']
        busy_s = self._options.latency_ms / 1000 or sum(stage_s.values()) - waited_s
        self._arrivals.done(busy_s)
        named = {name: stage_s[name] for name in ('prepare', 'infer', 'decode')}
        for name, seconds in {**named, 'latency': waited_s + busy_s}.items():
            row.stages[f'{name}_ms'] = round(1000 * seconds, 4)
            self._judge.card.stages[f'{name}_ms'].append(row.stages[f'{name}_ms'])
        row.scores.update({f'image.{s.name}': s.value for s in scene.signals})
        self._alignment.add(Prediction.of(scene, row, arrival.at_ns))

    def _short_reach(self, frame: CameraFrame) -> list[str]:
        """Returns a sentence where the model sees less far than truth is scored."""
        limits_m = {'depth': self._options.depth_max_m, 'boxes3d': self._options.boxes_max_m}
        found = reach_m(self._estimator.spec, frame) if frame.intrinsics else {}
        if all(far_m >= limits_m[task] for task, far_m in found.items()):
            return []
        return [reach_sentence(self._estimator.spec, frame)]

    def score_mds(self) -> None:
        """Computes mDS while the files of the boxes exist."""
        try:
            self._judge.card.mds = self._mds.scores() if self._mds else {}
        except MdsError as error:
            self._notes.add(str(error))

    def check_any(self, bag: Path) -> None:
        """Raises BagError where no image could be used."""
        if not self._counts.published:
            why = next((row.reason for row in self.rows if row.reason), 'it has no images')
            raise BagError(f'Nothing in {bag} can be scored: {why}')

    def result(self, into: Path) -> dict[str, Any]:
        """Returns counts, notes and scores."""
        card = self._judge.card
        counts = self._counts
        names = ('received', 'published', 'dropped', 'failed')
        card.counts.update({name: getattr(counts, name) for name in names})
        self._alignment.warn_of_unmatched()
        return {
            'counts': card.counts,
            'notes': [*self._notes.sentences(), *self._reader.damage],
            'metrics': card.metrics(),
            'tables': card.tables(),
            'sums': card.sums(),
        }


def sentence_of(error: Exception) -> str:
    known = isinstance(error, ImageError | BackendError)
    return str(error) if known else f'Unexpected {type(error).__name__}: {error}'
