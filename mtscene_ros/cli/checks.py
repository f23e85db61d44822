"""The checks of `mtscene check` that need no ROS: middleware settings, kernel, GPU, model."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from mtscene_ros.backends import BackendError, engine_build
from mtscene_ros.backends.cuda import Cuda, Gpu, open_driver
from mtscene_ros.backends.engine_build import EngineError
from mtscene_ros.backends.proof import judged, stored_test
from mtscene_ros.cli import middleware
from mtscene_ros.estimator import SceneModel, open_model
from mtscene_ros.models.catalogue import BUNDLED_MODEL, file_of
from mtscene_ros.models.child_process import module_command
from mtscene_ros.models.spec import SpecError
from mtscene_ros.ros.finding import FAIL, OK, WARN, Finding
from mtscene_ros.types import Intrinsics

RMEM_BYTES = 4194304  # the receive buffer of config/fastdds.xml
SHM_BYTES = 256 << 20  # room for a few segments of 64 MB
MESSAGE_BYTES = 6_300_000  # a 1080p image
IMAGES = 10


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the node will be started with.

    model: '' for the bundled one; image: topic of the images, '' for any; params_file: '' for
    none.
    """

    model: str = ''
    backend: str = 'auto'
    image: str = ''
    params_file: str = ''


def python(_: Configuration) -> Finding:
    found = f'Python {platform.python_version()}, NumPy {np.__version__}'
    if (3, 10) <= sys.version_info[:2] <= (3, 13):
        return Finding('python', OK, found)
    return Finding('python', WARN, found, 'use Python 3.10 to 3.13, which are tested')


def ros(_: Configuration) -> Finding:
    """Checks the node's imports; the environment says which distribution it is."""
    needed = ('rclpy', 'sensor_msgs', 'vision_msgs', 'mtscene_msgs')
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    distribution = os.environ.get('ROS_DISTRO') or 'not from a ROS installation'
    if not missing:
        return Finding('ros', OK, f'{", ".join(needed)} ({distribution})')
    fix = 'source /opt/ros/DISTRO/setup.bash and the workspace, or see docs/installation.md (pip)'
    return Finding('ros', FAIL, f'{", ".join(missing)} cannot be imported', fix)


def index(_: Configuration) -> Finding:
    """Checks whether `ros2 run` and `ros2 launch` find the package."""
    prefixes = [p for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    marker = 'share/ament_index/resource_index/packages/mtscene_ros'
    found = [prefix for prefix in prefixes if (Path(prefix) / marker).exists()]
    if found:
        return Finding('ament index', OK, f'mtscene_ros in {found[0]}')
    fix = f'export AMENT_PREFIX_PATH={sys.prefix}, or source install/setup.bash of the workspace'
    return Finding('ament index', WARN, 'ros2 run will not find mtscene_ros', fix)


def rmw(_: Configuration) -> Finding:
    chosen = os.environ.get('RMW_IMPLEMENTATION') or 'default of the distribution'
    domain = os.environ.get('ROS_DOMAIN_ID') or '0'
    reach = os.environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE') or 'default'
    return Finding('rmw', OK, f'{chosen}, domain {domain}, discovery range {reach}')


def profile(_: Configuration) -> Finding:
    """Checks the profile of Fast DDS; other middleware does not read it."""
    name = 'fast dds profile'
    if 'fastrtps' not in os.environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp'):
        return Finding(name, OK, 'not needed, because the middleware is not Fast DDS')
    fix = (
        f'export {middleware.VARIABLES[1]}={middleware.fastdds_profile() or "config/fastdds.xml"}'
    )
    fix += ' in every process that sends or receives images'
    path = next((os.environ[v] for v in middleware.VARIABLES if os.environ.get(v)), '')
    if not path:
        return Finding(name, WARN, 'none: large best-effort images will be lost', fix)
    try:
        transport = middleware.transport_of(Path(path))
    except (OSError, ValueError) as error:
        return Finding(name, FAIL, f'{path} cannot be read: {error}', fix)
    if min(transport.segment_bytes, transport.message_bytes) < MESSAGE_BYTES:
        return Finding(name, WARN, f'{path} has no room for a 1080p image in one message', fix)
    return Finding(name, OK, path)


def receive_buffer(_: Configuration) -> Finding:
    """Checks the largest receive buffer that the kernel grants a socket."""
    limit = Path('/proc/sys/net/core/rmem_max')
    if not limit.exists():
        return Finding('rmem_max', WARN, 'unknown on this system')
    found = int(limit.read_text())
    if found >= RMEM_BYTES:
        return Finding('rmem_max', OK, f'{found} bytes')
    fix = f'sudo sysctl -w net.core.rmem_max={RMEM_BYTES}, or images from other machines are lost'
    return Finding('rmem_max', WARN, f'{found} bytes', fix)


def shared_memory(_: Configuration) -> Finding:
    folder = Path('/dev/shm')
    if not folder.is_dir():
        return Finding('/dev/shm', WARN, 'absent', 'DDS falls back to the network stack')
    free = shutil.disk_usage(folder).free
    if free >= SHM_BYTES:
        return Finding('/dev/shm', OK, f'{free >> 20} MB free')
    fix = 'free some space there, or start the container with --shm-size=1g or --ipc=host'
    return Finding('/dev/shm', WARN, f'{free >> 20} MB free', fix)


def gpu(_: Configuration) -> Finding:
    found = gpu_here()
    if isinstance(found, str):
        return Finding('gpu', OK, f'none, so the CPU is used: {found}')
    return Finding('gpu', OK, f'{found.name}, compute capability {found.compute_capability}')


def gpu_here() -> Gpu | str:
    """Returns the first GPU, or why there is none."""
    try:
        cuda = Cuda(open_driver(), 0)
    except BackendError as error:
        return str(error).rstrip('.')
    try:
        return cuda.gpu
    finally:
        cuda.close()


def tensorrt(_: Configuration) -> Finding:
    try:
        trt = engine_build.find_module()
    except EngineError as error:
        if isinstance(gpu_here(), str):
            return Finding('tensorrt', OK, 'absent; it needs an NVIDIA GPU anyway')
        return Finding('tensorrt', WARN, 'absent although there is a GPU', str(error))
    return Finding('tensorrt', OK, f'{trt.__name__} {trt.__version__}')


def runtime(_: Configuration) -> Finding:
    """Checks ONNX Runtime and what it can run on."""
    names = ('onnxruntime', 'onnxruntime-gpu')
    installed = [d for d in metadata.distributions() if d.metadata['Name'] in names]
    if not importlib.util.find_spec('onnxruntime'):
        return Finding('onnxruntime', FAIL, 'absent', 'pip install onnxruntime')
    from mtscene_ros.backends.onnxruntime import providers

    versions = ', '.join(f'{d.metadata["Name"]} {d.version}' for d in installed)
    found = f'{versions}: {", ".join(providers())}'
    if len({d.metadata['Name'] for d in installed}) > 1:
        fix = 'pip uninstall onnxruntime onnxruntime-gpu, then install the one that you want'
        return Finding('onnxruntime', WARN, f'{found}; two packages own the same files', fix)
    if not isinstance(gpu_here(), str) and 'CUDAExecutionProvider' not in providers():
        fix = 'pip install onnxruntime-gpu in place of onnxruntime, unless TensorRT is used'
        return Finding('onnxruntime', WARN, found, fix)
    return Finding('onnxruntime', OK, found)


def model(configuration: Configuration) -> Finding:
    """Opens the model as the node would, runs it on a few grey images of its own size, and shows
    how closely the runtime answers the file's self-test."""
    try:
        opened = open_model(configuration.model, configuration.backend)
    except (BackendError, EngineError, SpecError, OSError, ValueError) as error:
        return Finding('model', FAIL, str(error), 'choose another --model or --backend')
    with opened:
        spec, description = opened.spec, opened.estimator.backend.description
        grey = np.full((spec.height_px, spec.width_px, 3), 128, np.uint8)
        camera = Intrinsics.centered(spec.width_px, spec.height_px, spec.width_px)
        try:
            spent_s = [
                timed(lambda: opened.estimate(grey, intrinsics=camera)) for _ in range(IMAGES)
            ]
            numbers = self_test_numbers(opened, configuration.model)
        except (BackendError, ValueError) as error:
            return Finding('model', FAIL, str(error), 'choose another --backend')
    median_ms = 1e3 * sorted(spent_s)[IMAGES // 2]
    what = f'{spec.name} {spec.version} ({", ".join(spec.tasks)})'
    return Finding('model', OK, f'{what} on {description}: {median_ms:.0f} ms per image{numbers}')


def self_test_numbers(opened: SceneModel, path: str) -> str:
    """Runs the self-test again, whatever a cached engine remembers, and returns its numbers, ''
    for a file without one. Raises BackendError where it fails, and ValueError."""
    backend, where = opened.estimator.backend, Path(file_of(path) or BUNDLED_MODEL)
    test = stored_test(where) if where.suffix == '.onnx' else None
    if test is None:
        return ''
    found = judged(test, backend.infer, backend.precision)
    numbers = '; '.join(map(str, found))
    if not all(agreement.passes for agreement in found):
        raise BackendError(f'{where} fails its self-test on {backend.description} ({numbers}).')
    return f'; self-test: {numbers}'


def timed(call: Callable[[], object]) -> float:
    """Returns how many seconds the call took."""
    start_s = time.perf_counter()
    call()
    return time.perf_counter() - start_s


CHECKS: tuple[Callable[[Configuration], Finding], ...] = (
    python,
    ros,
    index,
    rmw,
    profile,
    receive_buffer,
    shared_memory,
    gpu,
    tensorrt,
    runtime,
    model,
)


def findings(configuration: Configuration) -> Iterator[Finding]:
    """Yields the findings as the checks make them."""
    for check in CHECKS:
        yield check(configuration)
    if ros(configuration).level == OK:
        yield from live(configuration)


def live(configuration: Configuration) -> Iterator[Finding]:
    """Yields the findings that need ROS, from a process of its own, because a middleware that
    does not work ends its process."""
    words = module_command(
        'mtscene_ros.ros.live_checks', configuration.image, configuration.params_file
    )
    done = subprocess.run(words, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{')]
    for line in lines:
        yield Finding(**json.loads(line))
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ['no message']
        fix = 'set RMW_IMPLEMENTATION to an installed one and ROS_DOMAIN_ID to 0 to 232'
        yield Finding('ros starts', FAIL, f'exit status {done.returncode}: {lines[-1]}', fix)
