"""`mtscene VERB ...`: everything that is not the node."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from mtscene_ros.backends import BackendError
from mtscene_ros.engine_build import EngineError

EXAMPLES = """examples:
  mtscene convert worlds --seed 7 --frames 100 -o drive.mcap
  mtscene convert worlds --world room --size 640x480 -o room.mcap
  mtscene convert kitti DIR --sequence 0001 -o kitti.mcap
  mtscene play drive.mcap --step /perception/detections_3d
  mtscene record -o out.mcap --topics /camera/image_raw /perception/detections_3d
  mtscene report out.mcap -o report.html
  mtscene bench a.onnx b.onnx --backends onnxruntime openvino --threads 2 -o bench
  mtscene build model.onnx --target 8.9 --max-batch 4
  mtscene inspect model.onnx
  mtscene demo
"""


def convert(arguments: argparse.Namespace) -> int:
    """Generated drives and public data sets → a recording with ground truth."""
    from mtscene_ros.kitti import kitti_moments
    from mtscene_ros.recordings import moment_from_world, write_recording
    from mtscene_ros.worlds import SEQUENCES

    if arguments.source == 'kitti':
        moments = kitti_moments(arguments.folder, arguments.sequence)
    else:
        width_px, height_px = arguments.size
        frames = SEQUENCES[arguments.world](
            arguments.seed, arguments.frames, arguments.rate_hz, width_px, height_px
        )
        moments = map(moment_from_world, frames)
    count = write_recording(arguments.output, moments, arguments.compressed)
    print(f'{arguments.output}: {count} frames')
    return 0


def play(arguments: argparse.Namespace) -> int:
    """A recording onto real topics."""
    from mtscene_ros.ros.play import PlayOptions, run_play

    options = PlayOptions(
        rate=0.0 if arguments.fast or arguments.step else arguments.rate,
        step_topic=arguments.step,
        step_timeout_s=arguments.timeout_s,
        topics=arguments.topics,
        remap=dict(arguments.remap),
        clock=arguments.clock,
    )
    played = run_play(arguments.bag, options)
    for topic, type_name in played.skipped.items():
        print(f'{topic} was left out: its type {type_name} is not installed', file=sys.stderr)
    print(f'{sum(played.sent.values())} messages on {len(played.sent)} topics')
    if played.unanswered:
        print(f'{played.unanswered} images got no answer on {arguments.step}', file=sys.stderr)
    return 1 if played.unanswered else 0


def record(arguments: argparse.Namespace) -> int:
    """Real topics into a recording, until SIGINT or SIGTERM."""
    from mtscene_ros.ros.record import run_record

    counts, skipped = run_record(arguments.output, arguments.topics)
    for topic, type_name in skipped.items():
        print(f'{topic} was left out: its type {type_name} is not installed', file=sys.stderr)
    print(f'{arguments.output}: {sum(counts.values())} messages on {len(counts)} topics')
    return 0


def report(arguments: argparse.Namespace) -> int:
    """A recording of the node's outputs → one HTML page."""
    from mtscene_ros.report import write_report

    write_report(arguments.bag, arguments.output)
    print(arguments.output)
    return 0


def bench(arguments: argparse.Namespace) -> int:
    """Latency, memory and operations of model files, backends and thread counts, interleaved."""
    from mtscene_ros import bench as benches

    candidates = [
        benches.Candidate(model, backend, threads)
        for model in arguments.models or ['']
        for backend in arguments.backends
        for threads in arguments.threads
    ]
    result = benches.bench(candidates, arguments.frames, arguments.size, arguments.batch)
    print(json.dumps(result) if arguments.json else benches.table(result))
    if arguments.output:
        benches.write(result, arguments.output)
    return 0


def build(arguments: argparse.Namespace) -> int:
    """An engine for TensorRT on RTX GPUs, ahead of time, for GPUs that need not be here."""
    from mtscene_ros import engine_build, engine_cache

    trt = engine_build.find_module('tensorrt_rtx')
    settings = engine_build.BuildSettings(arguments.max_batch, target=arguments.target)
    key = engine_cache.EngineKey(
        engine_cache.sha256_of(arguments.model),
        trt.__name__,
        trt.__version__,
        engine_cache.Device(compute_capability=arguments.target),
        settings,
    )

    def told(phase: str, share: float) -> bool:
        print(f'\r{phase[:60]:60s} {100 * share:3.0f} %', end='', file=sys.stderr)
        return True

    found = engine_cache.engine_for(
        arguments.model,
        key,
        arguments.output or engine_cache.default_folder(),
        lambda: engine_cache.built_apart(arguments.model, trt.__name__, settings, told),
    )
    print(f'{found.path}: {len(found.plan) / 1e6:.1f} MB. {found.reason or "It was there."}')
    if found.warning:
        print(found.warning, file=sys.stderr)
    return 1 if found.warning else 0


def inspect(arguments: argparse.Namespace) -> int:
    """What a model file says about itself: tasks, classes, tensors."""
    from mtscene_ros.model_file import metadata_of
    from mtscene_ros.spec import METADATA_KEY, spec_from_json

    path = arguments.model
    spec = spec_from_json(metadata_of(path).get(METADATA_KEY), str(path))
    if arguments.json:
        print(spec.to_json())
        return 0
    print(f'{spec.name} {spec.version} (training code {spec.commit}), {path.stat().st_size} bytes')
    for tensor in (spec.input, *spec.outputs):
        print(f'  {tensor.name}: {tensor.dtype} {"x".join(map(str, tensor.shape))}')
    for task, options in spec.tasks.items():
        names = [c['name'] for c in options.get('classes', ())]
        further = {k: v for k, v in options.items() if k != 'classes'}
        print(f'{task}: {", ".join(names)} {further or ""}'.rstrip())
    return 0


def demo(arguments: argparse.Namespace) -> int:
    """The node on a generated drive or on a recording of yours."""
    from mtscene_ros.demo import run_demo

    return run_demo(arguments.bag, arguments.out, arguments.frames)


def positive(text: str) -> float | int:
    """A number above zero; whole where it is written so."""
    value = float(text) if '.' in text else int(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f'{text} is not above zero')
    return value


def size(text: str) -> tuple[int, int]:
    """'512x256' → (512, 256)."""
    width, height = text.split('x')
    return int(width), int(height)


def remapping(text: str) -> tuple[str, str]:
    """'/a:=/b' → ('/a', '/b')."""
    recorded, published = text.split(':=')
    return recorded, published


def _convert_arguments(parser: argparse.ArgumentParser) -> None:
    sources = parser.add_subparsers(dest='source', required=True)
    worlds = sources.add_parser('worlds', help='a generated drive, room or group of persons')
    worlds.add_argument('--world', choices=('drive', 'room', 'figure'), default='drive')
    worlds.add_argument('--seed', type=int, default=7)
    worlds.add_argument('--frames', type=positive, default=100)
    worlds.add_argument('--rate-hz', type=positive, default=10.0)
    worlds.add_argument('--size', type=size, default=(512, 256), metavar='WxH', help='pixels')
    kitti = sources.add_parser('kitti', help='a KITTI tracking sequence')
    kitti.add_argument('folder', type=Path, help='holds image_2, label_2, calib, velodyne')
    kitti.add_argument('--sequence', default='0001')
    for source in (worlds, kitti):
        source.add_argument('-o', '--output', type=Path, required=True, help='.mcap or folder')
        source.add_argument('--compressed', action='store_true', help='JPEG images')


def _play_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('bag', type=Path)
    parser.add_argument('--rate', type=positive, default=1.0, help='1 = as recorded')
    parser.add_argument('--fast', action='store_true', help='as fast as possible')
    parser.add_argument(
        '--step', default='', metavar='TOPIC', help="wait there for each image's answer"
    )
    parser.add_argument('--timeout-s', type=float, default=10.0, help='for one answer')
    parser.add_argument('--topics', nargs='+', default=(), help='default: all')
    parser.add_argument('--remap', nargs='+', type=remapping, default=(), metavar='FROM:=TO')
    parser.add_argument('--clock', action='store_true', help='publish /clock')


def _record_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('-o', '--output', type=Path, required=True, help='.mcap or folder')
    parser.add_argument('--topics', nargs='+', default=(), help='default: all')


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('bag', type=Path)
    parser.add_argument('-o', '--output', type=Path, default=Path('report.html'))


def _bench_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('models', nargs='*', help='default: the bundled one')
    parser.add_argument('--backends', nargs='+', default=['onnxruntime'])
    parser.add_argument('--threads', nargs='+', type=int, default=[2])
    parser.add_argument('--frames', type=positive, default=100)
    parser.add_argument('--batch', type=positive, default=1)
    parser.add_argument('--size', type=size, default=(1242, 375), metavar='WxH', help='of images')
    parser.add_argument('--json', action='store_true', help='print JSON instead of the table')
    parser.add_argument('-o', '--output', type=Path, help='folder for JSON, table and plot')


def _build_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('model', type=Path)
    parser.add_argument(
        '--target', required=True, metavar='8.6,8.9', help='compute capabilities of the GPUs'
    )
    parser.add_argument('--max-batch', type=int, default=1, help='cameras')
    parser.add_argument('-o', '--output', type=Path, help='folder; default: the cache')


def _inspect_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('model', type=Path)
    parser.add_argument('--json', action='store_true', help='the whole spec')


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--bag', type=Path, help='a recording of yours; default: a generated drive'
    )
    parser.add_argument('--out', type=Path, default=Path('demo'), help='folder of the results')
    parser.add_argument('--frames', type=int, default=60, help='of the generated drive')


Verb = tuple[Callable[[argparse.Namespace], int], Callable[[argparse.ArgumentParser], None]]
VERBS: dict[str, Verb] = {
    'convert': (convert, _convert_arguments),
    'play': (play, _play_arguments),
    'record': (record, _record_arguments),
    'report': (report, _report_arguments),
    'bench': (bench, _bench_arguments),
    'build': (build, _build_arguments),
    'inspect': (inspect, _inspect_arguments),
    'demo': (demo, _demo_arguments),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one verb; 0 = done, 1 = done in part, 2 = refused with one sentence."""
    parser = argparse.ArgumentParser(
        prog='mtscene',
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest='verb', required=True)
    for name, (function, add_arguments) in VERBS.items():
        add_arguments(verbs.add_parser(name, help=function.__doc__, description=function.__doc__))
    parsed = parser.parse_args(arguments)
    try:
        return VERBS[parsed.verb][0](parsed)
    except (
        ValueError,
        OSError,
        BackendError,
        EngineError,
    ) as error:  # BagError, KittiError, SpecError ...
        print(f'mtscene {parsed.verb}: {error}', file=sys.stderr)
        return 2


if __name__ == '__main__':
    sys.exit(main())
