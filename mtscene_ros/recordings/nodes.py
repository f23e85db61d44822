"""Finds the perception nodes whose outputs a recording holds."""

from __future__ import annotations

from mtscene_ros.camera.outputs import FRAME_STATS, LABEL_INFO, label_info_topic
from mtscene_ros.recordings.bags import CheckedReader
from mtscene_ros.recordings.truth_topics import TRUTH

STATS = 'mtscene_msgs/msg/FrameStats'


def nodes_in(bag: CheckedReader) -> list[str]:
    """Returns the perception nodes whose outputs are recorded, '/perception' first; with several
    cameras, each camera of a node counts as one: /perception/front."""
    endings = {STATS: f'/{FRAME_STATS}', LABEL_INFO: f'/{label_info_topic("semantic")}'}
    found = {
        topic.removesuffix(endings[kind])
        for topic, about in bag.topics.items()
        if (kind := about.msgtype or '') in endings and topic.endswith(endings[kind])
    }
    return sorted(found - {TRUTH}, key=lambda node: (node != '/perception', node))


def node_of(bag: CheckedReader, name: str, node: str = '') -> tuple[str, list[str]]:
    """Returns the node whose results are read, and a sentence where there are several.

    node: the one that the user names, '' for the first; name: of the recording.
    """
    if node:
        return f'/{node.strip("/")}', []
    found = nodes_in(bag)
    if len(found) < 2:
        return found[0] if found else '/perception', []
    listed = ', '.join(found[1:])
    return found[0], [
        f'{name} holds results of several nodes or cameras; those of {found[0]} are shown, and '
        f'--node chooses another ({listed}).'
    ]


def nothing_of(bag: CheckedReader, name: str, node: str) -> str:
    """Returns the sentence on a recording without results of a node."""
    nodes = ', '.join(other for other in nodes_in(bag) if other != node)
    if nodes:
        return f'{name} holds no results of {node}; it has those of {nodes}, see --node.'
    return f'{name} holds no results of {node}; record its topics as well.'
