"""What `mtscene evaluate` is asked to do; picklable, so that it travels to other processes."""

from __future__ import annotations

from dataclasses import dataclass

ALL_OUTPUTS = ('*',)


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """model: '' = the bundled one; threads: 0 = one per core; truth: 'topics' of the bag, or the
    path of a manifest (YAML or JSON).

    image_topic, info_topic: '' = found; truth_topics: (task, topic) pairs that overrule the names
    under /truth, a PointCloud2 topic for `depth`; label_info_topic: '' = found.
    realtime: drop what a node of this latency would drop; latency_ms: 0 = as measured here.
    max_frames: 0 = all; min_score: boxes below are scored, not published, as the node's;
    outputs: private names of the topics in predictions.mcap, ('*',) all, () none.
    depth_max_m, boxes_max_m, match_m: what is farther is not scored, and how far centres of one
    object may lie apart; mds: run cityscapesScripts; fixed_frame: of TF, '' = found.
    """

    model: str = ''
    backend: str = 'auto'
    precision: str = 'auto'
    threads: int = 0
    truth: str = 'topics'
    image_topic: str = ''
    info_topic: str = ''
    truth_topics: tuple[tuple[str, str], ...] = ()
    label_info_topic: str = ''
    node: str = '/perception'
    input_is_rectified: bool = True
    realtime: bool = False
    latency_ms: float = 0.0
    max_frames: int = 0
    min_score: float = 0.3
    outputs: tuple[str, ...] = ALL_OUTPUTS
    depth_max_m: float = 60.0
    boxes_max_m: float = 40.0
    match_m: float = 2.0
    fixed_frame: str = ''
    mds: bool = False
    progress: bool = True
