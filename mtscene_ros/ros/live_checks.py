"""The checks of `mtscene check` that need ROS: middleware in use, parameter file, live topics.

    python -m mtscene_ros.ros.live_checks IMAGE_TOPIC PARAMS_FILE

Either may be ''. Prints one finding per line as JSON: see mtscene_ros/cli/checks.py.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rclpy
import yaml
from rclpy.context import Context
from rclpy.node import Node
from rclpy.utilities import get_rmw_implementation_identifier

from mtscene_ros.models.nested import leaves
from mtscene_ros.ros.finding import FAIL, OK, WARN, Finding
from mtscene_ros.ros.params import complaint, unknown
from mtscene_ros.ros.playback import IMAGE_TYPES
from mtscene_ros.ros.start import start_ros
from mtscene_ros.terminal import plural

DISCOVERY_S = 2.0
NODE_NAMES = ('/**', '/perception', 'perception')


def findings(image: str, params_file: Path | None) -> Iterator[Finding]:
    """Yields the findings; image: topic of the images, '' for whatever is published."""
    if params_file is not None:
        yield parameters(params_file)
    context = Context()
    start_ros([], context=context)
    node = rclpy.create_node('mtscene_check', context=context)
    try:
        yield Finding('rmw in use', OK, get_rmw_implementation_identifier())
        time.sleep(DISCOVERY_S)  # meanwhile the middleware discovers the graph
        yield from topics(node, image)
    finally:
        node.destroy_node()
        context.try_shutdown()


def parameters(path: Path) -> Finding:
    """Checks every value of a parameter file against the node's table."""
    name = 'parameter file'
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, RecursionError, ValueError, yaml.YAMLError) as error:
        return Finding(name, FAIL, f'{path} cannot be read: {error}', 'correct the file')
    values: dict[str, Any] = {}
    for node_name in NODE_NAMES:
        section = content.get(node_name) if isinstance(content, dict) else None
        values |= node_values((section or {}).get('ros__parameters') or {})
    if not values:
        fix = 'start it with `/**:` and `ros__parameters:` as config/perception.yaml does'
        return Finding(name, FAIL, f'{path} has no parameters for the node', fix)
    unused = unknown(values)
    wrong = [complaint(key, value) for key, value in values.items() if not unknown([key])]
    wrong = [sentence for sentence in wrong if sentence]
    if wrong or unused:
        return Finding(name, FAIL if wrong else WARN, ' '.join([*wrong, *unused]), 'correct it')
    return Finding(name, OK, f'{path}: {plural(len(values), "parameter")}')


def node_values(section: dict[str, Any]) -> dict[str, Any]:
    """{'sync': {'policy': 'latest'}} → {'sync.policy': 'latest'}; drops rclpy's own parameters."""
    return {
        name: value
        for name, value in leaves(section)
        if name != 'use_sim_time' and not name.startswith('qos_')
    }


def topics(node: Node, image: str) -> Iterator[Finding]:
    """Yields types and QoS of the image topics and their camera_info."""
    types = {name: kinds[0] for name, kinds in node.get_topic_names_and_types()}
    images = {name for name, kind in types.items() if kind in IMAGE_TYPES}
    if not image:
        published = sorted(name for name in images if node.count_publishers(name))
        if not published:
            fix = 'start the camera driver, and make sure that ROS_DOMAIN_ID is the same'
            yield Finding('image topics', WARN, 'nobody publishes images', fix)
        for name in published:
            yield Finding(f'topic {name}', OK, described(node, name, types[name]))
        return
    for name in (image, f'{image}/compressed'):
        if name in images and node.count_publishers(name):
            yield Finding(f'topic {name}', OK, described(node, name, types[name]))
            yield camera_info(node, image)
            return
    there = ', '.join(sorted(images)) or 'none'
    fix = f'start the camera driver or choose another topic; images are on: {there}'
    yield Finding(f'topic {image}', FAIL, f'nobody publishes images on {image}', fix)


def camera_info(node: Node, image: str) -> Finding:
    """Checks the calibration that belongs to the images."""
    name = image.rsplit('/', 1)[0] + '/camera_info'
    if node.count_publishers(name):
        return Finding(f'topic {name}', OK, described(node, name, 'sensor_msgs/msg/CameraInfo'))
    fix = 'have the driver publish it, or remap camera_info; without it: no depth, no boxes'
    return Finding(f'topic {name}', WARN, 'nobody publishes it', fix)


def described(node: Node, topic: str, kind: str) -> str:
    """Returns the type and the QoS that each publisher offers."""
    offers = [p.qos_profile for p in node.get_publishers_info_by_topic(topic)]
    profiles = {
        f'{qos.reliability.name.lower()}, {qos.durability.name.lower()}, depth {qos.depth}'
        for qos in offers
    }
    listeners = node.count_subscribers(topic)
    count, subscribers = plural(len(offers), 'publisher'), plural(listeners, 'subscriber')
    return f'{kind}; {count} ({"; ".join(sorted(profiles))}), {subscribers}'


if __name__ == '__main__':
    topic, file = sys.argv[1:]
    for finding in findings(topic, Path(file) if file else None):
        print(json.dumps(asdict(finding)), flush=True)
