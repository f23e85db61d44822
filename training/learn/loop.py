"""The loop of every training: steps, checkpoints, validation, log; it resumes where it stopped."""

from __future__ import annotations

import argparse
import math
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from mtscene_ros.terminal import listed, plural
from training.config import CompactConfig
from training.graphs.onnx_export import current_commit
from training.learn.adapting import adaptation_of
from training.learn.learning import (
    Learning,
    advance,
    set_train_mode,
    update_average,
    validation_loss,
)
from training.learn.loader import Frame, Frames, Positions, batches, one_pass
from training.learn.processes import asked_to_stop, rank_and_world, shared_progress
from training.learn.run_log import RunLog
from training.learn.schedule import learning_rate
from training.recipes import Recipe
from training.weights.checkpoint_store import (
    CheckpointError,
    read_file,
    restore,
    save,
    save_weights,
)
from training.weights.checkpoints import record_of, recorded

MAX_SKIPPED = 20  # steps in a row
# Scores of which less is better; of all others more is.
LESS_IS_BETTER = ('loss', 'rmse', 'abs_rel', 'sq_rel', 'mae', 'mean_deg', 'rmse_log', 'ece')
Scores = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """What a training reads. fingerprint: changes with the frames; val: () for no validation;
    score: scores of the averaged network on `val` by task."""

    frames: list[Frame]
    fingerprint: str
    val: list[Frame] = field(default_factory=list)
    score: Callable[[Learning], Scores] | None = None


def fingerprint_of(data_set: str, split: str, frames: list[Frame]) -> str:
    """Names the frames, and for manifests their content; folders may move."""
    manifests = {frame.folder for frame in frames if frame.folder.is_file()}
    text = '\n'.join(frame.name for frame in frames).encode()
    text += b''.join(path.read_bytes() for path in sorted(manifests))
    return f'{plural(len(frames), "frame")} of {data_set} {split} ({zlib.crc32(text):08x})'


def resumed(learning: Learning, data: Data, options: argparse.Namespace) -> dict[str, Any]:
    """Returns the counts so far. Raises CheckpointError where the folder holds another training,
    or ValueError where there is nothing left to do."""
    counts: dict[str, Any] = {
        'step': 0,
        'elapsed_s': 0.0,
        'skipped': 0,
        'best': math.inf,
        'since_best': 0,
    }
    path = options.out / 'last.pt'
    if not path.exists():
        return counts
    state = read_file(path)
    for what, new, old in identity(learning, data, state):
        if new != old:
            raise CheckpointError(
                f'{path} is of another training ({what}: {old}, now {new}); give another --out, '
                'or remove it to begin again.'
            )
    counts |= restore(path, learning.parts())
    if options.steps and counts['step'] > options.steps:
        raise CheckpointError(
            f'{path} has done {plural(counts["step"], "step")}, which is more than --steps '
            f'{options.steps}; ask for more, or give another --out.'
        )
    if share_done(counts, options) >= 1:
        print(f'{path} has done {plural(counts["step"], "step")} already: nothing is left to do.')
    return counts


def identity(
    learning: Learning, data: Data, state: Mapping[str, Any]
) -> list[tuple[str, Any, Any]]:
    """Returns what must be equal: a description, the value now and that of the checkpoint."""
    config = learning.config
    found: list[tuple[str, Any, Any]] = [('configuration', config.name, state.get('config'))]
    adapted = state.get('adapted')
    if not isinstance(config, CompactConfig):
        if config.name == state.get('config'):
            old = recorded(config, adapted or {})
            found += differences_of(config, old)
    elif adapted:
        now = adaptation_of(config)
        for key, what in (('classes', 'classes'), ('box_classes', 'classes of boxes')):
            if key in adapted:
                found.append((what, names_of(now[key]), names_of(adapted[key])))
        found.append(('tasks', listed(now['tasks']), listed(adapted['tasks'])))
    if 'data' in state:
        found.append(('data', data.fingerprint, state['data']))
    return found


def differences_of(config: Recipe, old: Recipe) -> list[tuple[str, str, str]]:
    """Returns what may differ between two trainings of one recipe, as identity() does."""
    rows = [
        (listed([c.name for c in r.classes]) or "the paper's", listed(r.tasks),
         f'{r.width_px}x{r.height_px}', r.encoder or "the paper's")
        for r in (config, old)
    ]  # fmt: skip
    return list(zip(('classes', 'tasks', 'image size', 'encoder'), *rows, strict=True))


def names_of(rows: Any) -> str:
    return listed([row['name'] for row in rows])


def share_done(counts: Mapping[str, Any], options: argparse.Namespace) -> float:
    if options.steps:
        return float(counts['step'] / options.steps)
    return float(counts['elapsed_s'] / (60 * options.minutes))


def run(learning: Learning, data: Data, options: argparse.Namespace) -> dict[str, Any]:
    """Trains until --steps or --minutes; returns the counts. Raises ValueError for a training that
    diverges, KeyboardInterrupt after saving where it was asked to stop."""
    config, (rank, world) = learning.config, rank_and_world()
    counts = resumed(learning, data, options)
    frames = Frames(data.frames, config, options.seed, cache_bytes=options.cache_mb * 1e6)
    positions = Positions(int(counts['step']) * options.accumulate, config.batch, rank, world)
    coming = batches(frames, positions, options.workers)
    set_train_mode(learning.network, options.freeze_batch_norm)
    start_s, earlier_s, waited_s = time.monotonic(), counts['elapsed_s'], 0.0
    first_step, in_a_row = counts['step'], 0
    peak_rate = options.learning_rate or config.learning_rate
    progress = shared_progress(share_done(counts, options))
    log = RunLog(options.out, rank == 0, options.tensorboard, options.tracker)
    with closing(log) as report, asked_to_stop() as asked:
        while progress < 1:
            step = int(counts['step'])
            asked_s = time.monotonic()
            together = [next(coming) for _ in range(options.accumulate)]
            waited_s += time.monotonic() - asked_s
            warm_up = min(options.warm_up, options.steps or options.warm_up)
            rate = learning_rate(options.schedule, peak_rate, progress, step, warm_up)
            found, norm = advance(learning, together, rate, options.clip, options.bf16)
            if math.isfinite(norm):
                update_average(learning, step + 1, options.ema)
            counts['skipped'] += not math.isfinite(norm)
            in_a_row = 0 if math.isfinite(norm) else in_a_row + 1
            counts['step'] += 1
            refuse_many_skipped(in_a_row, counts, options, found)
            run_s = time.monotonic() - start_s
            counts['elapsed_s'] = earlier_s + run_s
            progress = shared_progress(1.0 if asked else share_done(counts, options))
            is_last = progress >= 1
            if rank == 0 and (counts['step'] % options.save_every == 0 or is_last):
                scores = save_checkpoints(learning, counts, data, options, not asked)
                report.pictures(learning, together[-1]['image']['rgb'], int(counts['step']))
                if options.patience and counts['since_best'] >= options.patience:
                    progress = 1.0
            else:
                scores = {}
            progress = shared_progress(progress)
            if counts['step'] % options.log_every == 0 or is_last or scores:
                entry = {key: rounded(value) for key, value in counts.items()}
                entry |= {'lr': rate, 'norm': rounded(norm)}
                entry |= {name: rounded(float(value.detach())) for name, value in found.items()}
                images = (counts['step'] - first_step) * config.batch * world * options.accumulate
                entry |= {'images_per_s': images / run_s, 'loader_wait_share': waited_s / run_s}
                report.line(entry | scores, progress)
    if asked:
        print(f'Stopped after {plural(counts["step"], "step")}; the same command goes on.')
        raise KeyboardInterrupt
    return counts


def refuse_many_skipped(
    in_a_row: int, counts: Mapping[str, Any], options: argparse.Namespace, found: Mapping[str, Any]
) -> None:
    """Raises ValueError after MAX_SKIPPED steps in a row that changed nothing, or half of a run
    that is shorter."""
    limit = min(MAX_SKIPPED, max(2, options.steps // 2)) if options.steps else MAX_SKIPPED
    if in_a_row < limit:
        return
    broken = [name for name, value in found.items() if not math.isfinite(float(value.detach()))]
    why = (
        f'the loss of {broken[0]} is not finite; lower --learning-rate or --clip, or check the '
        'labels with training.check_data'
        if broken
        else 'no frame has a label, or the gradient is not finite; check the data with '
        'training.check_data'
    )
    raise ValueError(f'{plural(in_a_row, "step")} in a row changed nothing: {why}.')


def rounded(value: float) -> float | None:
    """Rounds for JSON, which has neither NaN nor infinity; those become None."""
    return round(value, 6) if math.isfinite(value) else None


def save_checkpoints(
    learning: Learning,
    counts: dict[str, Any],
    data: Data,
    options: argparse.Namespace,
    validates: bool = True,
) -> dict[str, float]:
    """Writes last.pt; best.pt and best.safetensors if validation improves; step_N.pt by
    --keep-every. Returns the scores of the validation."""
    scores = validation(learning, data, options) if data.val and validates else {}
    is_best = False
    if scores:
        value = chosen(scores, options.metric)
        is_best = value < counts['best']
        counts |= {'best': min(value, counts['best']), 'validation': scores['validation']}
        counts['since_best'] = 0 if is_best else counts['since_best'] + 1
    config = learning.config
    about = {'config': config.name, 'code': current_commit(), 'data': data.fingerprint, **counts}
    if isinstance(config, CompactConfig):
        about['adapted'] = adaptation_of(config)
    else:
        about['adapted'] = record_of(config)
    about['rng'] = torch.get_rng_state()
    state = about | {name: part.state_dict() for name, part in learning.parts().items()}
    save(options.out / 'last.pt', state)
    if is_best:
        save(options.out / 'best.pt', state)
        save_weights(options.out / 'best.safetensors', learning.average.state_dict())
    if options.keep_every and counts['step'] % options.keep_every == 0:
        save(options.out / f'step_{counts["step"]:07d}.pt', state)
    return scores


def validation(learning: Learning, data: Data, options: argparse.Namespace) -> dict[str, float]:
    """Returns 'validation', the loss, and TASK.SCORE where a metric is asked for."""
    seen = one_pass(Frames(data.val, learning.config, options.seed, is_augmented=False))
    found = {'validation': validation_loss(learning, seen)}
    if options.metric != 'loss' and data.score is not None:
        for task, scores in data.score(learning).items():
            numbers = {n: v for n, v in scores.items() if isinstance(v, int | float)}
            found |= {f'{task}.{name}': float(value) for name, value in numbers.items()}
    return found


def chosen(scores: Mapping[str, float], metric: str) -> float:
    """Returns the value of the metric, negated where more is better. Raises ValueError."""
    if metric == 'loss':
        return scores['validation']
    if metric not in scores:
        there = [name for name in scores if '.iou ' not in name and name != 'validation']
        raise ValueError(
            f'--metric {metric}: the validation gives {listed(["loss", *there], 30)}.'
        )
    value = scores[metric] if metric.rpartition('.')[2] in LESS_IS_BETTER else -scores[metric]
    return math.inf if math.isnan(value) else value


def to_folder(path: Path) -> Path:
    """Creates the folder of a run."""
    path.mkdir(parents=True, exist_ok=True)
    return path
