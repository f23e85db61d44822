"""The options of `mtscene evaluate`; picklable, so that they can go to other processes."""

from __future__ import annotations

from dataclasses import dataclass

from mtscene_ros.temporal.watch import WatchOptions

ALL_OUTPUTS = ('*',)
RESULTS_ONLY = ('results',)  # of each task, small: see run/predictions.py


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """How to evaluate a model on recordings.

    model: '' for the bundled one; threads: 0 for one per core; truth: 'topics' of the recording,
    or the path of a manifest (YAML or JSON).
    image_topic, info_topic, label_info_topic: '' to choose them; truth_topics: (task, topic) pairs
    that replace the names under /truth; for `depth` it may be a PointCloud2.
    input_is_rectified: None for `auto`, as the node's parameter of that name.
    realtime: drop the images that a node of this latency would drop; latency_ms: 0 for the
    measured one.
    max_frames: 0 for all; min_score: lower boxes are scored but not published, as in the node;
    outputs: private names of the topics in predictions.mcap, RESULTS_ONLY, ALL_OUTPUTS or () for
    none. truth_delay_s: how long an image waits for its truth, in recorded time; classes: (name in
    the truth, name in the model) pairs.
    depth_max_m, boxes_max_m: nothing farther is scored; match_m: largest distance between the
    centres of a matched pair; mds: run cityscapesScripts; fixed_frame: of TF, '' to find it;
    temporal: blend maps with those of the images before, as temporal.enabled of the node does;
    novelty: measure how unlike the training images each image is.
    """

    model: str = ''
    backend: str = 'auto'
    precision: str = 'file'
    threads: int = 0
    truth: str = 'topics'
    image_topic: str = ''
    info_topic: str = ''
    truth_topics: tuple[tuple[str, str], ...] = ()
    label_info_topic: str = ''
    node: str = '/perception'
    input_is_rectified: bool | None = None
    realtime: bool = False
    latency_ms: float = 0.0
    max_frames: int = 0
    min_score: float = 0.3
    outputs: tuple[str, ...] = RESULTS_ONLY
    depth_max_m: float = 60.0
    boxes_max_m: float = 40.0
    match_m: float = 2.0
    fixed_frame: str = ''
    truth_delay_s: float = 1.0
    classes: tuple[tuple[str, str], ...] = ()
    mds: bool = False
    temporal: bool = False
    novelty: bool = False
    progress: bool = True

    @property
    def watch(self) -> WatchOptions:
        """What is looked at beside the model."""
        return WatchOptions(novelty_limit=1.0 if self.novelty else None, is_steady=self.temporal)
