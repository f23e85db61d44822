"""Makes the product of one command again and again, in two ways that take turns, until killed.

python kill_loop.py COMMAND FOLDER INPUT MODEL ROUNDS

Prints 'ready' once the first product is complete.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from mtscene_ros.cli.main import main


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


def run(command: str, folder: Path, drive: str, model: str, rounds: int) -> None:
    """rounds: 0 for ever."""
    turn = 0
    while not rounds or turn < rounds:
        COMMANDS[command](folder, drive, model, turn % 2)
        turn += 1
        if turn == 1:
            sys.stderr.write('\nready\n')
            sys.stderr.flush()


if __name__ == '__main__':
    sys.stdout = open('/dev/null', 'w')  # noqa: SIM115
    run(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
