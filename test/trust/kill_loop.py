"""Makes the product of one command again and again, in two ways that take turns, until killed.

python kill_loop.py COMMAND FOLDER INPUT MODEL

Each line of stdin is one kill: the seconds after the first product; 'once' makes one product. A
line 'done' answers. Children are forked, so that what they import is imported once.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mtscene_ros.cli.main import main

# Imported before the first fork.
MODULES = {
    'evaluate': ('onnxruntime', 'pyarrow.parquet', 'mtscene_ros.evaluate.pages.evaluation_page'),
    'report': ('mtscene_ros.report.recording_page',),
    'convert': ('mtscene_ros.recordings.write', 'mtscene_ros.worlds.drive'),
    'record': ('mtscene_ros.ros.recorder',),
    'play': ('mtscene_ros.ros.playback',),
    'adapt': ('training.weights.checkpoint_store',),
    'export': ('training.graphs.onnx_export',),
}


def evaluate(folder: Path, drive: str, model: str, turn: int) -> None:
    lowest = ('0.3', '0.05')[turn]
    words = ['--model', model, '--backend', 'onnxruntime', '--threads', '1', '--no-progress']
    main(['evaluate', drive, *words, '--min-score', lowest, '-o', str(folder / 'r')])


def report(folder: Path, drive: str, model: str, turn: int) -> None:
    main(['report', drive, '-o', str(folder / 'r.html')])


def convert(folder: Path, drive: str, model: str, turn: int) -> None:
    words = ['--seed', str(turn), '--frames', '2', '--size', '64x32']
    main(['convert', 'worlds', *words, '-o', str(folder / 'w.mcap')])


def record(folder: Path, drive: str, model: str, turn: int) -> None:
    """What `mtscene record` does with 300 messages."""
    from mtscene_ros.recordings.bags import BagWriter
    from mtscene_ros.ros.recorder import UNFINISHED

    kind = 'std_msgs/msg/String'
    with BagWriter(folder / 'a.mcap', begin=UNFINISHED) as writer:
        message = writer.types.types[kind]('ab'[turn] * 500)
        for number in range(300):
            writer.write('/a', kind, number, message)


def play(folder: Path, drive: str, model: str, turn: int) -> None:
    main(['play', str(folder / 'input.mcap'), '--fast'])


def adapt(folder: Path, drive: str, model: str, turn: int) -> None:
    """The checkpoint that `training.adapt` keeps."""
    import torch

    from training.weights.checkpoint_store import write_whole

    state = {'weights': torch.full((200_000,), float(turn))}
    write_whole(folder / 'last.pt', lambda partial_file: torch.save(state, partial_file))


def export(folder: Path, drive: str, model: str, turn: int) -> None:
    """The file that `training.export` writes."""
    import onnx

    from training.graphs.onnx_export import write_model

    graph = onnx.load(model)
    graph.producer_name = 'ab'[turn] * 100_000
    write_model(graph, folder / 'm.onnx')


COMMANDS: dict[str, Callable[[Path, str, str, int], None]] = {
    f.__name__: f for f in (evaluate, report, convert, record, play, adapt, export)
}


def kill(seconds: float, *arguments: str) -> None:
    """Lets a child work, and kills it so many seconds after its first product."""
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        turn = 0
        while True:
            COMMANDS[arguments[0]](Path(arguments[1]), arguments[2], arguments[3], turn % 2)
            turn += 1
            os.write(tell, b'.' if turn == 1 else b'')
    os.read(ready, 1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(ready)
    os.close(tell)


if __name__ == '__main__':
    answers, sys.stdout, sys.stderr = sys.stdout, *(open(os.devnull, 'w') for _ in '12')  # noqa: SIM115
    for module in MODULES[sys.argv[1]]:
        importlib.import_module(module)
    for line in sys.stdin:
        if line.strip() == 'once':
            COMMANDS[sys.argv[1]](Path(sys.argv[2]), sys.argv[3], sys.argv[4], 0)
        else:
            kill(float(line), *sys.argv[1:])
        print('done', file=answers, flush=True)
