"""Logs a run: JSON lines in a file, lines or a progress bar on the terminal, TensorBoard, and
Weights & Biases or MLflow where they are installed."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mtscene_ros.terminal import Bar
from training.learn.learning import Learning

Track = Callable[[dict[str, float], int], None]  # values by name, step


def wandb_run(folder: Path) -> tuple[Track, Callable[[], None]]:
    """Its own variables choose server and mode, such as WANDB_MODE=offline."""
    wandb: Any = importlib.import_module('wandb')
    run = wandb.init(project='mtscene_ros', name=folder.name, dir=str(folder), resume='allow')
    return (lambda values, step: run.log(values, step=step)), run.finish


def mlflow_run(folder: Path) -> tuple[Track, Callable[[], None]]:
    """MLFLOW_TRACKING_URI names the server; without it, a database in the folder holds the run
    (MLflow 3 refuses plain files)."""
    mlflow: Any = importlib.import_module('mlflow')
    if not os.environ.get('MLFLOW_TRACKING_URI'):
        mlflow.set_tracking_uri(f'sqlite:///{folder.resolve() / "mlflow.db"}')
    mlflow.start_run(run_name=folder.name)
    return (lambda values, step: mlflow.log_metrics(values, step=step)), mlflow.end_run


TRACKERS = {'wandb': wandb_run, 'mlflow': mlflow_run}


def tracked(name: str, folder: Path) -> tuple[Track, Callable[[], None]]:
    """Returns what logs values and what ends the run. Raises ValueError where it is missing."""
    try:
        return TRACKERS[name](folder)
    except ImportError as error:
        raise ValueError(
            f'--tracker {name} needs {error.name or name}; `pip install {error.name or name}`.'
        ) from None


class RunLog:
    """Logs from the first process only. Each call of `line` writes one line of JSON."""

    def __init__(
        self, folder: Path, is_first: bool, tensorboard: bool, tracker: str | None = None
    ) -> None:
        self.is_first = is_first
        self.track: Track | None = None
        self.end: Callable[[], None] | None = None
        if is_first and tracker:
            self.track, self.end = tracked(tracker, folder)
        self.file = (folder / 'log.jsonl').open('a') if is_first else None
        self.bar = Bar('', 1.0) if is_first and sys.stderr.isatty() else None
        self.writer: Any = None
        if is_first and tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(folder))

    def line(self, entry: dict[str, Any], progress: float) -> None:
        """Writes an entry with 'step' and other values; None stands for numbers that are not
        finite."""
        if self.file is None:
            return
        print(json.dumps(entry), file=self.file, flush=True)
        hidden = {'step', 'elapsed_s', 'lr', 'norm', 'best', 'since_best', 'loader_wait_share'}
        shown = [k for k in entry if k not in hidden and not k.endswith('_preliminary')]
        shown = [k for k in shown if '.' not in k or k.endswith(('.miou', '.abs_rel', '.ap'))]
        values = {k: entry[k] for k in shown if k != 'skipped' or entry[k]}
        text = ', '.join(
            f'{k} not finite' if v is None else f'{k} {v:.3g}' for k, v in values.items()
        )
        if self.bar is not None:
            self.bar.show(progress, f'step {entry["step"]}: {text}')
        else:
            print(f'step {entry["step"]} ({100 * progress:.0f} %): {text}', flush=True)
        numbers = {k: float(v) for k, v in entry.items() if isinstance(v, int | float)}
        if self.track is not None:
            self.track({k.replace(' ', '_'): v for k, v in numbers.items()}, int(entry['step']))
        if self.writer is not None:
            for key, value in numbers.items():
                self.writer.add_scalar(key, value, entry['step'])

    def pictures(self, learning: Learning, rgb: torch.Tensor, step: int) -> None:
        """Logs the averaged network's labels and depth of the first image of a batch."""
        if self.writer is None:
            return
        learning.average.eval()
        with torch.no_grad():
            graph = learning.kind.deployed(learning.average, learning.config)
            found = graph(rgb[:1].to(learning.device))
        learning.average.train()
        self.writer.add_image('image', rgb[0], step, dataformats='HWC')
        if 'semantic_labels' in found:
            colors = [c.color_rgb for c in learning.kind.classes_of(learning.config)]
            palette = torch.tensor(colors, dtype=torch.uint8)
            labels = found['semantic_labels'][0].long().cpu()
            self.writer.add_image('semantic', palette[labels], step, dataformats='HWC')
        if 'depth' in found:
            inverse = 1 / found['depth'][0].cpu().clamp(min=1)
            self.writer.add_image('inverse depth', inverse, step, dataformats='HW')

    def close(self) -> None:
        for opened in (self.file, self.writer):
            if opened is not None:
                opened.close()
        if self.end is not None:
            self.end()
        if self.bar is not None:
            self.bar.end()
