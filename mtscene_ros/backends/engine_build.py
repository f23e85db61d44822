"""ONNX file → TensorRT engine, with full TensorRT 8.6, 10, 11 or TensorRT for RTX.

The four differ only in the build: 8.6 takes a float32 graph and may choose float16 by a flag;
from 10 on graphs are strongly typed, so that the file itself is in float16; RTX builds for GPUs of
other machines. A build blocks for seconds to minutes; `progress` is called meanwhile and cancels
the build by returning False.

    python -m mtscene_ros.backends.engine_build model.onnx model.engine --target 8.9

prints one line of JSON, or exits with 1 and a sentence where the graph is refused. A builder that
crashes takes its process with it, so `mtscene build` and the node run it in a separate one.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mtscene_ros.models.atomic_file import write_named

MODULES = ('tensorrt', 'tensorrt_rtx')
Progress = Callable[[str, float], bool]  # phase, share done → whether to continue


class EngineError(RuntimeError):
    """No engine can be built or used; the message says why in one sentence."""


class EngineCancelledError(EngineError):
    """`progress` returned False."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """How to build an engine.

    max_batch: images per inference; half: float16 where the graph leaves it open (8.6 only);
    target: compute capabilities of the GPUs to build for, such as '8.6,8.9', '' for the GPU of
    this machine (only RTX can build for others); dla_core: -1 for none.
    """

    max_batch: int = 1
    half: bool = True
    target: str = ''
    dla_core: int = -1


def find_module(name: str = '') -> Any:
    """Imports tensorrt or tensorrt_rtx. Raises EngineError where neither is installed."""
    for candidate in (name,) if name else MODULES:
        try:
            return importlib.import_module(candidate)
        except ImportError:
            continue
    raise EngineError(
        'Neither tensorrt nor tensorrt_rtx is installed; JetPack contains it on a Jetson, and for '
        'an RTX GPU run `pip install tensorrt-rtx`.'
    )


def is_rtx(trt: Any) -> bool:
    return bool(trt.__name__ == 'tensorrt_rtx')


def major(trt: Any) -> int:
    return int(str(trt.__version__).split('.')[0])


def is_strongly_typed(trt: Any) -> bool:
    """Whether the graph alone decides the precision."""
    return is_rtx(trt) or major(trt) >= 10


_LOGGERS: dict[str, Any] = {}
_ERRORS: list[str] = []  # the last errors of TensorRT


def logger_of(trt: Any) -> Any:
    """Returns the logger of this process; TensorRT keeps the first one it gets."""
    if trt.__name__ not in _LOGGERS:
        _LOGGERS[trt.__name__] = error_logger(trt)
    return _LOGGERS[trt.__name__]


def error_logger(trt: Any) -> Any:
    """Returns a logger that prints errors and keeps them for the sentence on a failed build."""

    class Errors(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                print(msg, file=sys.stderr)
                _ERRORS.append(' '.join(msg.split()))
                del _ERRORS[:-5]

    return Errors()


def build_engine(
    trt: Any, onnx_path: Path, settings: BuildSettings, progress: Progress | None = None
) -> bytes:
    """Returns the serialized engine. Raises EngineError, which names a refused operator."""
    builder = trt.Builder(logger_of(trt))
    network = builder.create_network(network_flags(trt))
    parser = trt.OnnxParser(network, logger_of(trt))
    # From the file instead of bytes, so that weights beside a large model are found.
    if not parser.parse_from_file(str(onnx_path)):
        raise EngineError(refusal(trt, parser, onnx_path))
    config = configured(trt, builder, network, settings)
    monitor = None
    if progress is not None and hasattr(trt, 'IProgressMonitor'):
        monitor = monitor_of(trt, progress)
        config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        if monitor is not None and monitor.cancelled:
            raise EngineCancelledError('The build was cancelled.')
        why = _ERRORS[-1] if _ERRORS else 'it gives no reason'
        raise EngineError(
            f'TensorRT {trt.__version__} parsed {onnx_path} but built no engine: {why}'
        )
    return bytes(plan)


def network_flags(trt: Any) -> int:
    if is_strongly_typed(trt):
        return 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    return 1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)


def configured(trt: Any, builder: Any, network: Any, settings: BuildSettings) -> Any:
    """Returns the builder's configuration.

    Raises EngineError where this TensorRT does not support the settings.
    """
    # No limit on the memory: with 2 GiB TensorRT refused a batch of four 2048x1024 images.
    config = builder.create_builder_config()
    # TF32 has the ten bits of float16; where the file says float32, float32 is needed.
    config.clear_flag(trt.BuilderFlag.TF32)
    profile = builder.create_optimization_profile()
    image = network.get_input(0)
    shape = tuple(image.shape)[1:]
    profile.set_shape(image.name, (1, *shape), (1, *shape), (settings.max_batch, *shape))
    config.add_optimization_profile(profile)
    config.profiling_verbosity = (
        trt.ProfilingVerbosity.DETAILED
    )  # the inspector then reports the real precision
    if not is_strongly_typed(trt):
        allow_precisions(trt, network, config, settings)
    if settings.target:
        aim_at(trt, config, settings.target)
    if settings.dla_core >= 0:
        use_dla(trt, builder, config, settings.dla_core)
    return config


def allow_precisions(trt: Any, network: Any, config: Any, settings: BuildSettings) -> None:
    """Sets the flags of TensorRT 8.6: float16 if allowed, int8 where the graph quantizes."""
    if settings.half:
        config.set_flag(trt.BuilderFlag.FP16)
    kinds = {network.get_layer(index).type for index in range(network.num_layers)}
    if trt.LayerType.QUANTIZE in kinds:
        config.set_flag(trt.BuilderFlag.INT8)


def aim_at(trt: Any, config: Any, target: str) -> None:
    """Builds for GPUs that need not be present: '8.6,8.9' → SM86 and SM89 in one engine."""
    wanted = target.split(',')
    known = getattr(trt, 'ComputeCapability', None)
    found = [getattr(known, f'SM{each.replace(".", "")}', None) for each in wanted]
    if not is_rtx(trt) or None in found:
        raise EngineError(
            f'{trt.__name__} {trt.__version__} cannot build for compute capability {target}; '
            'build on the machine with that GPU, or with tensorrt_rtx for 7.5 to 8.9 and 12.0.'
        )
    config.num_compute_capabilities = len(found)
    for index, capability in enumerate(found):
        config.set_compute_capability(capability, index)


def use_dla(trt: Any, builder: Any, config: Any, core: int) -> None:
    """Uses a DLA core; layers that it does not support run on the GPU."""
    if is_rtx(trt) or core >= builder.num_DLA_cores:
        raise EngineError(
            f'DLA core {core} does not exist here (there are {builder.num_DLA_cores}); set '
            'dla_core: -1.'
        )
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def refusal(trt: Any, parser: Any, onnx_path: Path) -> str:
    """Returns one sentence about the first operator that the parser refused."""
    error = parser.get_error(0)
    node, operator = (
        getattr(error, part)() if hasattr(error, part) else ''
        for part in ('node_name', 'node_operator')
    )
    what = ' '.join(str(error.desc()).split())
    where = f' at {operator} ({node})' if operator else ''
    return f'{trt.__name__} {trt.__version__} refuses {onnx_path}{where}: {what}'


def monitor_of(trt: Any, progress: Progress) -> Any:
    """Returns a monitor that passes TensorRT's phases and their shares to `progress`."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}
            self.cancelled = False

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.steps[phase_name] = max(1, num_steps)

        def phase_finish(self, phase_name: str) -> None:
            self.steps.pop(phase_name, None)

        def step_complete(self, phase_name: str, step: int) -> bool:
            share = (step + 1) / self.steps.get(phase_name, 1)
            self.cancelled = self.cancelled or not progress(phase_name, share)
            return not self.cancelled

    return Monitor()


def print_progress(phase: str, share: float) -> bool:
    """Prints one step as JSON; returns False, which cancels the build, once nobody reads it."""
    try:
        print(json.dumps({'phase': phase, 'share': round(share, 3)}), flush=True)
    except BrokenPipeError:
        # The rest of the buffer must not fail again when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def main(arguments: list[str] | None = None) -> int:
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument('onnx', type=Path)
    command.add_argument('engine', type=Path, nargs='?', help='file to write; default: none')
    command.add_argument('--module', choices=MODULES, default='')
    command.add_argument('--target', default='', help='compute capabilities, such as 8.6,8.9')
    command.add_argument('--max-batch', type=int, default=1)
    command.add_argument('--dla-core', type=int, default=-1)
    command.add_argument('--no-half', action='store_true', help='float32 only (TensorRT 8.6)')
    command.add_argument('--progress', action='store_true', help='print one line of JSON per step')
    options = command.parse_args(arguments)
    start_s = time.perf_counter()
    settings = BuildSettings(
        options.max_batch, not options.no_half, options.target, options.dla_core
    )
    try:
        trt = find_module(options.module)
        plan = build_engine(
            trt, options.onnx, settings, print_progress if options.progress else None
        )
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    if options.engine:
        try:
            write_named(options.engine, plan)
        except OSError as error:
            print(f'{options.engine} cannot be written ({error}).', file=sys.stderr)
            return 1
    # Not getrusage, whose peak may be that of the parent process.
    status = Path('/proc/self/status').read_text()
    peak_kb = int(status.split('VmHWM:')[1].split()[0])
    found = {
        'builder': f'{trt.__name__} {trt.__version__}',
        'seconds': round(time.perf_counter() - start_s, 1),
        'engine_mb': round(len(plan) / 1e6, 1),
        'peak_mb': round(peak_kb / 1e3),
        **asdict(settings),
    }
    print(json.dumps(found))
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
