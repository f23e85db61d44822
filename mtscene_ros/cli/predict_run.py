"""`mtscene predict`: source → images → scenes → pictures, video, tables.

recordings/image_sources.py    images with their times
  → predict_camera.py          their camera: known, given or guessed
  → estimator.py               the scene
  → predict_files.py           what is written
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtscene_ros.backends import BackendOptions
from mtscene_ros.camera.box_filter import BoxFilter
from mtscene_ros.camera.calibration_file import CalibrationError
from mtscene_ros.camera.images import ImageError
from mtscene_ros.cli.predict_camera import CameraOfImages
from mtscene_ros.cli.predict_files import PredictedFiles
from mtscene_ros.estimator import SceneEstimator, open_estimator
from mtscene_ros.models.catalogue import path_of
from mtscene_ros.models.spec import ModelSpec
from mtscene_ros.recordings.image_sources import ImageSource, SourceImage, chosen, sources_of
from mtscene_ros.report.live_page import LiveServer, LiveState
from mtscene_ros.report.scene_panels import PanelStyle, scene_picture
from mtscene_ros.report.scene_tables import encoded
from mtscene_ros.terminal import Bar, plural

# Names of --show → tasks of models, where they differ.
TASKS = {'boxes': 'boxes3d', 'parts': 'human_parts'}
USUAL = ('semantic', 'boxes3d', 'depth')
USUAL_BOXES = BoxFilter(0.3)
VIDEO_HZ = 15.0  # enough to watch, and half of the work for most videos
NOTHING = 'There is no image in the chosen part; look at --start and --duration.'
LIVE_NAME = 'overlay'
INTERRUPTED = 130  # exit status of shells for SIGINT


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """The options of the command line; every: 0 for all, or about VIDEO_HZ of a video;
    live_port: of a page with the pictures, None for no page."""

    output: Path
    show: tuple[str, ...] = ()
    save: frozenset[str] = frozenset(('overlay', 'csv', 'jsonl'))
    pictures: bool = False
    size_px: int = 960
    every: int = 0
    start_s: float = 0.0
    duration_s: float | None = None
    horizontal_fov_deg: float | None = None
    calibration: Path | None = None
    topic: str = ''
    model: str = ''
    backend: str = 'auto'
    threads: int = 0
    boxes: BoxFilter = USUAL_BOXES
    progress: bool = True
    live_port: int | None = None


@dataclass(slots=True)
class PredictSummary:
    """What was done.

    boxes: None where nobody wanted them; seconds: without opening the model; notes: sentences for
    the user; failure: why the first image failed that did; told: those of the notes that were
    printed.
    """

    images: int = 0
    failed: int = 0
    boxes: int | None = None
    seconds: float = 0.0
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_interrupted: bool = False
    failure: str = ''
    told: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Keeps a sentence once, for the end."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def tell(self, sentence: str) -> None:
        """Keeps a sentence and prints it at once, because a camera may go on for hours."""
        if sentence not in self.notes:
            self.notes.append(sentence)
            self.told.append(sentence)
            print(sentence, file=sys.stderr, flush=True)

    @property
    def status(self) -> int:
        return INTERRUPTED if self.is_interrupted else int(self.failed > 0)

    def to_dict(self) -> dict[str, Any]:
        """Returns a dict that is ready for JSON."""
        names = (name for name in self.__slots__ if name not in ('failure', 'told'))
        return {name: getattr(self, name) for name in names}

    def text(self) -> str:
        """Returns the lines for a terminal."""
        rate = f', {self.images / self.seconds:.1f} per second' if self.seconds else ''
        failed = f', {self.failed} could not be read' if self.failed else ''
        boxes = '' if self.boxes is None else f', {plural(self.boxes, "box", "boxes")}'
        head = f'{plural(self.images, "image")}{failed}{boxes}'
        notes = [note for note in self.notes if note not in self.told]
        return '\n'.join([*notes, f'{head}, {self.seconds:.1f} s{rate}', *self.files])


def predict(places: Sequence[str], options: PredictOptions) -> PredictSummary:
    """Predicts all images of the named places, and writes the files.

    Raises ValueError, OSError and BackendError, each with one sentence, where nothing can be done;
    an image that cannot be read is counted.
    """
    sources = sources_of(places, options.topic)
    if (options.start_s or options.duration_s) and not all(s.is_moving for s in sources):
        raise ValueError('--start and --duration are for videos; pictures have no times.')
    camera = CameraOfImages(options.horizontal_fov_deg, options.calibration)
    path = str(path_of(options.model)) if options.model else ''
    estimator = open_estimator(path, options.backend, BackendOptions(threads=options.threads))
    summary = PredictSummary()
    try:
        style = PanelStyle(
            tasks_of(options.show, estimator), options.size_px, depth_end_m(estimator.spec)
        )
        files = PredictedFiles(options.output, options.save, style, options.pictures)
        estimator.warm_up()
        with files, live_page(options.live_port, summary) as live:
            run = PredictRun(estimator, camera, files, options, summary, live)
            for source in sources:
                if not summary.is_interrupted:
                    run.source(source)
    finally:
        estimator.backend.close()
    summary.files = files.written()
    summary.boxes = files.boxes if 'boxes3d' in run.tasks else None
    if not summary.images:
        raise ImageError(summary.failure or NOTHING)
    return summary


@contextmanager
def live_page(port: int | None, summary: PredictSummary) -> Iterator[LiveState | None]:
    """Serves the pictures on this machine while they are predicted; None: not at all."""
    if port is None:
        yield None
        return
    state = LiveState((LIVE_NAME,))
    server = LiveServer(state, 'mtscene predict', '127.0.0.1', port)
    summary.tell(f'Live at {server.address}')
    try:
        yield state
    finally:
        server.close()


def depth_end_m(spec: ModelSpec) -> float:
    """Returns the depth that has the last colour: 60 m, or less where the model sees less far."""
    return min(60.0, float(spec.tasks.get('depth', {}).get('max_m', 60.0)))


def tasks_of(show: Sequence[str], estimator: SceneEstimator) -> tuple[str, ...]:
    """Returns the tasks to show. Raises ValueError for one that the model lacks."""
    known = tuple(estimator.decoders)
    if not show:
        return tuple(task for task in USUAL if task in known) or known
    found = tuple(dict.fromkeys(TASKS.get(name, name) for name in show))
    unknown = [name for name in found if name not in known]
    if unknown:
        names = {task: name for name, task in TASKS.items()}
        raise ValueError(
            f'The model {estimator.spec.name} has no task {", ".join(unknown)}; --show takes '
            f'{", ".join(names.get(task, task) for task in known)}.'
        )
    return found


def needed_tasks(
    shown: Sequence[str], save: frozenset[str], known: Sequence[str], model: str
) -> tuple[str, ...]:
    """Returns the tasks to compute. Raises ValueError where the model lacks one to save."""
    for name, task in {'labels': 'semantic', 'depth': 'depth'}.items():
        if name in save and task not in known:
            raise ValueError(f'The model {model} has no task {task}; leave {name} out of --save.')
    wanted = {*shown}
    wanted |= {'boxes3d'} if 'csv' in save else set()
    wanted |= {'boxes3d', 'semantic'} if 'jsonl' in save else set()
    wanted |= {'semantic'} if 'labels' in save else set()
    wanted |= {'depth'} if 'depth' in save else set()
    return tuple(task for task in known if task in wanted)


class PredictRun:
    """One estimator on one source after the other; counts into the summary."""

    def __init__(
        self,
        estimator: SceneEstimator,
        camera: CameraOfImages,
        files: PredictedFiles,
        options: PredictOptions,
        summary: PredictSummary,
        live: LiveState | None = None,
    ) -> None:
        self._estimator, self._camera, self._files = estimator, camera, files
        self._options, self._summary, self._live = options, summary, live
        known, name = tuple(estimator.decoders), estimator.spec.name
        shown = files.style.tasks if live or 'overlay' in options.save else ()
        self.tasks = needed_tasks(shown, options.save, known, name)

    def source(self, source: ImageSource) -> None:
        """Predicts one source; Ctrl-C ends it with whole files."""
        options, start_s = self._options, time.monotonic()
        found = source.images(self._summary.tell)
        every = self._every(source)
        self._files.begin(source, (source.fastest_hz or source.rate_hz) / every)
        images = chosen(found, every, options.start_s, options.duration_s)
        try:
            with Bar('image', self._total(source, every), is_wanted=options.progress) as bar:
                for image in images:
                    self._image(image, source)
                    bar.step()
        except KeyboardInterrupt:
            self._summary.is_interrupted = source.total is not None
            self._summary.note('Stopped by Ctrl-C; what is written is whole.')
        finally:
            found.close()
            self._files.end(self._summary.note)
            self._summary.seconds += time.monotonic() - start_s

    def _every(self, source: ImageSource) -> int:
        """Returns every how manyth image is predicted, and says so where the user did not."""
        every = max(1, round(source.rate_hz / VIDEO_HZ))
        if self._options.every or source.total is None or every == 1:
            return self._options.every or 1
        self._summary.tell(
            f'{source.name} has {source.rate_hz:.3g} images per second, of which 1 in {every} is '
            'predicted; --every 1 predicts all.'
        )
        return every

    def _total(self, source: ImageSource, every: int) -> int | None:
        """Returns how many images will be predicted, as far as one can know."""
        options, total = self._options, source.total
        if options.duration_s is not None:
            total = min(total or 1 << 60, round(options.duration_s * source.rate_hz))
        elif total is not None and options.start_s:
            total = max(0, total - round(options.start_s * source.rate_hz))
        return total and max(1, total // every)

    def _image(self, image: SourceImage, source: ImageSource) -> None:
        try:
            frame = self._camera.frame(image.read(), self._summary.tell)
        except (ImageError, CalibrationError) as error:
            self._summary.failed += 1
            self._summary.failure = self._summary.failure or str(error)
            self._summary.note(str(error))
            return
        exact = self._options.save & {'labels', 'depth'}
        scale = self._options.size_px / max(frame.rgb.shape[:2])
        self._estimator.output_scale = 1.0 if exact else min(1.0, scale)
        [scene] = self._estimator.estimate([frame], self.tasks)
        for sentence in self._options.boxes.unknown(scene):
            self._summary.note(sentence)
        scene = self._options.boxes.kept(scene)
        for sentence in scene.warnings:
            self._summary.note(sentence)
        self._summary.images += 1
        is_drawn = 'overlay' in self._options.save or self._live is not None
        picture = scene_picture(scene, self._files.style) if is_drawn else None
        if self._live is not None and picture is not None:
            self._live.put(LIVE_NAME, encoded(picture[..., ::-1], '.jpg'))
        self._files.write(image, scene, picture, self._camera.is_guessed(scene.frame))
