"""A dense task from 1 to 20 labelled frames: what is matched against what is trained.

    python -m benchmarks.few_shot --data ../shared/data --out build/few_shot
    python -m benchmarks.few_shot --frames 1 3 10 --ways teach adapt --steps 20 --tasks camvid

The ways are `teach` (no training), `tune` (biases alone, then teach) and `adapt` (a head of its
own on drive_lite, --steps steps of 4 frames). All see the same frames at 512x256 pixels and are
scored on the same others. Results go to benchmarks/results/few_shot.json row by row, and a row
that is there is not measured again; --json names another file.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.few_shot_tasks import TASKS, FewShotTask
from mtscene_ros.backends import BackendOptions, open_backend
from mtscene_ros.backends.machine import machine
from mtscene_ros.models.atomic_file import write_text
from training import adapt, teach, tune
from training.weights.weight_files import graph_from_checkpoint

RESULTS = Path(__file__).parent / 'results' / 'few_shot.json'
TIMED = 10  # images

Row = dict[str, Any]
Outputs = dict[str, NDArray[Any]]
Answer = Callable[[NDArray[np.uint8]], Outputs]


def taught(task: FewShotTask, frames: int, options: argparse.Namespace) -> tuple[Answer, Row]:
    return from_examples(task, frames, options, [])


def tuned(task: FewShotTask, frames: int, options: argparse.Namespace) -> tuple[Answer, Row]:
    out = options.out / f'{task.name}_{frames}_{options.tune_steps}.safetensors'
    begin_s = time.perf_counter()
    if not out.exists():
        words = [str(task.manifest), '--weights', options.weights, '-o', str(out)]
        words += ['--frames', str(frames), '--steps', str(options.tune_steps)]
        if tune.main([*words, '--threads', str(options.threads)]):
            raise SystemExit(2)
    learned_s = time.perf_counter() - begin_s
    answer, about = from_examples(task, frames, options, ['--tuned', str(out)])
    return answer, about | {'seconds': about['seconds'] + learned_s, 'steps': options.tune_steps}


def from_examples(
    task: FewShotTask, frames: int, options: argparse.Namespace, further: list[str]
) -> tuple[Answer, Row]:
    """Writes the model file and runs it in ONNX Runtime, as the node would."""
    out = options.out / f'{task.name}_{frames}_taught.onnx'
    words = [str(task.manifest), '--weights', options.weights, '-o', str(out), '--no-check']
    begin_s = time.perf_counter()
    if teach.main([*words, '--frames', str(frames), *further]):
        raise SystemExit(2)
    seconds = time.perf_counter() - begin_s
    return answer_of_file(out, options), {'seconds': seconds}


def answer_of_file(path: Path, options: argparse.Namespace) -> Answer:
    backend = open_backend('onnxruntime', str(path), BackendOptions(threads=options.threads))
    names = json.loads(backend.spec_json or '{}')['outputs']
    wanted = [output['name'] for output in names]
    return lambda rgb: backend.infer(rgb, wanted)


def adapted(task: FewShotTask, frames: int, options: argparse.Namespace) -> tuple[Answer, Row]:
    out = options.out / f'{task.name}_{frames}_{options.steps}_adapted'
    words = [str(task.manifest), '--out', str(out), '--frames', str(frames)]
    words += ['--steps', str(options.steps), '--threads', str(options.threads)]
    begin_s = time.perf_counter()
    adapt.main(words)
    seconds = time.perf_counter() - begin_s
    graph = graph_from_checkpoint(out / 'last.pt')
    return answer_of_graph(graph), {'seconds': seconds, 'steps': options.steps}


def answer_of_graph(graph: nn.Module) -> Answer:
    def answer(rgb: NDArray[np.uint8]) -> Outputs:
        with torch.inference_mode():
            return {name: value.numpy() for name, value in graph(torch.from_numpy(rgb)).items()}

    return answer


WAYS: dict[str, Callable[[FewShotTask, int, argparse.Namespace], tuple[Answer, Row]]] = {
    'teach': taught,
    'tune': tuned,
    'adapt': adapted,
}


def row_of(task: FewShotTask, way: str, frames: int, options: argparse.Namespace) -> Row:
    answer, about = WAYS[way](task, frames, options)
    scores = task.scores([answer(sample.rgb[None]) for sample in task.asked])
    rgb = task.asked[0].rgb[None]
    begin_s = time.perf_counter()
    for _ in range(TIMED):
        answer(rgb)
    per_s = TIMED / (time.perf_counter() - begin_s)
    measured = {'seconds': round(about.pop('seconds'), 1), 'frames_per_s': round(per_s, 1)}
    key = {'task': task.name, 'way': way, 'frames': frames}
    return key | about | scores | measured | {'machine': machine(), 'threads': options.threads}


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data', type=Path, default=Path('../shared/data'))
    parser.add_argument('--out', type=Path, default=Path('build/few_shot'))
    parser.add_argument('--json', type=Path, default=RESULTS)
    parser.add_argument('--weights', default='match_lite')
    parser.add_argument('--tasks', nargs='+', choices=TASKS, default=list(TASKS))
    parser.add_argument('--ways', nargs='+', choices=WAYS, default=list(WAYS))
    parser.add_argument('--frames', nargs='+', type=int, default=[1, 3, 5, 10, 20])
    parser.add_argument('--steps', type=int, default=100, help='of adapt')
    parser.add_argument('--tune-steps', type=int, default=60)
    parser.add_argument('--threads', type=int, default=2)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> list[Row]:
    options = options_from(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = json.loads(options.json.read_text()) if options.json.exists() else []
    for name in options.tasks:
        task = TASKS[name](options.data, options.out / name)
        if task is None:
            print(f'{name}: left out, because {options.data} does not hold its data.')
            continue
        for way, frames in product(options.ways, options.frames):
            key = {'task': name, 'way': way, 'frames': frames}
            if frames > task.shown:
                print(f'{name}: left out with {frames} frames, because it has {task.shown}.')
            elif not any(key.items() <= row.items() for row in rows):
                rows.append(row_of(task, way, frames, options))
                print(json.dumps(rows[-1]), flush=True)
                write_text(options.json, '[\n' + ',\n'.join(map(json.dumps, rows)) + '\n]\n')
    return rows


if __name__ == '__main__':
    main()
