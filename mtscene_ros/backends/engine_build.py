"""ONNX file → TensorRT engine, with full TensorRT 8.6, 10, 11 or TensorRT for RTX.

The four differ in the building alone: 8.6 takes a float32 graph and may choose float16 by a flag;
from 10 on graphs are strongly typed, the file itself is in float16; RTX builds for GPUs that are
not there. A build blocks for seconds to minutes; `progress` is called all the while and ends it by
returning False.

    python -m mtscene_ros.backends.engine_build model.onnx model.engine --target 8.9

prints one line of JSON and exits with 1 and a sentence where the graph is refused. A builder that
crashes takes its process with it: `mtscene build` and the node run it in one of its own.
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

MODULES = ('tensorrt', 'tensorrt_rtx')
Progress = Callable[[str, float], bool]  # phase, share done → whether to go on


class EngineError(RuntimeError):
    """No engine comes of this; the message says why in one sentence."""


class EngineCancelledError(EngineError):
    """`progress` said no."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """max_batch: images per inference; half: float16 where the graph leaves it open (8.6 alone);
    target: compute capabilities of the GPUs to build for, such as '8.6,8.9', '' for the one that
    is there (RTX alone can build for others); dla_core: -1 for none."""

    max_batch: int = 1
    half: bool = True
    target: str = ''
    dla_core: int = -1


def find_module(name: str = '') -> Any:
    """tensorrt or tensorrt_rtx. Raises EngineError where neither is installed."""
    for candidate in (name,) if name else MODULES:
        try:
            return importlib.import_module(candidate)
        except ImportError:
            continue
    raise EngineError(
        'Neither tensorrt nor tensorrt_rtx is installed; on a Jetson JetPack brings it, on an RTX '
        'GPU run `pip install tensorrt-rtx`.'
    )


def is_rtx(trt: Any) -> bool:
    return bool(trt.__name__ == 'tensorrt_rtx')


def major(trt: Any) -> int:
    return int(str(trt.__version__).split('.')[0])


def is_strongly_typed(trt: Any) -> bool:
    """Whether the graph alone decides on precision."""
    return is_rtx(trt) or major(trt) >= 10


_LOGGERS: dict[str, Any] = {}
_ERRORS: list[str] = []  # what TensorRT said last


def logger_of(trt: Any) -> Any:
    """One for the whole process: TensorRT keeps the first."""
    if trt.__name__ not in _LOGGERS:
        _LOGGERS[trt.__name__] = errors_kept(trt)
    return _LOGGERS[trt.__name__]


def errors_kept(trt: Any) -> Any:
    """TensorRT's errors go to stderr and into the sentence about a failed build."""

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
    """The serialized engine. Raises EngineError naming the refused operator."""
    builder = trt.Builder(logger_of(trt))
    network = builder.create_network(network_flags(trt))
    parser = trt.OnnxParser(network, logger_of(trt))
    # From the file and not from bytes: weights beside a large model are found.
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
        why = _ERRORS[-1] if _ERRORS else 'it does not say why'
        raise EngineError(
            f'TensorRT {trt.__version__} parsed {onnx_path} but built no engine: {why}'
        )
    return bytes(plan)


def network_flags(trt: Any) -> int:
    if is_strongly_typed(trt):
        return 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    return 1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)


def configured(trt: Any, builder: Any, network: Any, settings: BuildSettings) -> Any:
    """Raises EngineError where the settings ask for what this TensorRT cannot do."""
    # Its memory is left to TensorRT: with 2 GiB it refused a batch of four 2048x1024 images.
    config = builder.create_builder_config()
    # TF32 has float16's ten bits: where the file says float32 (islands above all), it is meant.
    config.clear_flag(trt.BuilderFlag.TF32)
    profile = builder.create_optimization_profile()
    image = network.get_input(0)
    shape = tuple(image.shape)[1:]
    profile.set_shape(image.name, (1, *shape), (1, *shape), (settings.max_batch, *shape))
    config.add_optimization_profile(profile)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # tells the real precision
    if not is_strongly_typed(trt):
        allow_precisions(trt, network, config, settings)
    if settings.target:
        aim_at(trt, config, settings.target)
    if settings.dla_core >= 0:
        use_dla(trt, builder, config, settings.dla_core)
    return config


def allow_precisions(trt: Any, network: Any, config: Any, settings: BuildSettings) -> None:
    """TensorRT 8.6: flags beside the graph; integers where the graph quantizes."""
    if settings.half:
        config.set_flag(trt.BuilderFlag.FP16)
    kinds = {network.get_layer(index).type for index in range(network.num_layers)}
    if trt.LayerType.QUANTIZE in kinds:
        config.set_flag(trt.BuilderFlag.INT8)


def aim_at(trt: Any, config: Any, target: str) -> None:
    """For GPUs that are not there: '8.6,8.9' → SM86 and SM89 in one engine."""
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
    """Layers that the DLA cannot do run on the GPU."""
    if is_rtx(trt) or core >= builder.num_DLA_cores:
        raise EngineError(
            f'DLA core {core} does not exist here (there are {builder.num_DLA_cores}); set '
            'dla_core: -1.'
        )
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def refusal(trt: Any, parser: Any, onnx_path: Path) -> str:
    """One sentence about the first thing that the parser did not take."""
    error = parser.get_error(0)
    node, operator = (
        getattr(error, part)() if hasattr(error, part) else ''
        for part in ('node_name', 'node_operator')
    )
    what = ' '.join(str(error.desc()).split())
    where = f' at {operator} ({node})' if operator else ''
    return f'{trt.__name__} {trt.__version__} refuses {onnx_path}{where}: {what}'


def monitor_of(trt: Any, progress: Progress) -> Any:
    """TensorRT's own phases as phase and share; nested phases are told by their names alone."""

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


def told(phase: str, share: float) -> bool:
    """False, which ends the build, where nobody reads it any more: the node was killed."""
    try:
        print(json.dumps({'phase': phase, 'share': round(share, 3)}), flush=True)
    except BrokenPipeError:
        # What is left in the buffer must not fail once more at the end of Python.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def main(arguments: list[str] | None = None) -> int:
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument('onnx', type=Path)
    command.add_argument('engine', type=Path, nargs='?', help='where to; default: nowhere')
    command.add_argument('--module', choices=MODULES, default='')
    command.add_argument('--target', default='', help='compute capabilities, such as 8.6,8.9')
    command.add_argument('--max-batch', type=int, default=1)
    command.add_argument('--dla-core', type=int, default=-1)
    command.add_argument('--no-half', action='store_true', help='float32 alone (TensorRT 8.6)')
    command.add_argument('--progress', action='store_true', help='a line of JSON per step')
    options = command.parse_args(arguments)
    begin_s = time.perf_counter()
    settings = BuildSettings(
        options.max_batch, not options.no_half, options.target, options.dla_core
    )
    try:
        trt = find_module(options.module)
        plan = build_engine(trt, options.onnx, settings, told if options.progress else None)
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    if options.engine:
        try:
            options.engine.write_bytes(plan)
        except OSError as error:
            print(f'{options.engine} cannot be written ({error}).', file=sys.stderr)
            return 1
    # Not getrusage: its peak is that of the parent where that was larger.
    status = Path('/proc/self/status').read_text()
    peak_kb = int(status.split('VmHWM:')[1].split()[0])
    found = {
        'builder': f'{trt.__name__} {trt.__version__}',
        'seconds': round(time.perf_counter() - begin_s, 1),
        'engine_mb': round(len(plan) / 1e6, 1),
        'peak_mb': round(peak_kb / 1e3),
        **asdict(settings),
    }
    print(json.dumps(found))
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
