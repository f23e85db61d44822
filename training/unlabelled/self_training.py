"""One loop of self-training: generated frames with truth, real frames with their teachers' labels.

Batch norms keep the statistics that the network comes with: statistics of a small batch of two
domains made depth and boxes worse (benchmarks/results/street_lite.md). An interrupted run resumes
at `last.pt` and ends with the same bits.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtscene_ros.types import UNLABELED
from training.config import CompactConfig
from training.graphs.deploy import normalised
from training.graphs.onnx_export import current_commit
from training.learn.learning import Learning, build_learning, update_average
from training.learn.loader import Batch
from training.learn.schedule import learning_rate
from training.learn.weighting import by_task
from training.networks.decoders import load_weights
from training.tasks import semantic, task_of
from training.unlabelled.mixed_batches import MixedFrames, mixed_batches
from training.unlabelled.norm_statistics import norms_of
from training.weights.checkpoint_store import restore, save

REAL_WEIGHTS = {'semantic': 1.0, 'depth': 1.0, 'boxes3d': 0.5}  # of losses on real frames
CLIP, EMA, WARM_UP = 5.0, 0.99, 30
FROZEN = ('encoder.conv_stem', 'encoder.bn1', 'encoder.blocks.0.', 'encoder.blocks.1.')


@dataclass(frozen=True, slots=True)
class SelfTraining:
    """Options of a run. steps: length of the schedule; stop: step to stop at before its end;
    save_every, keep_every: steps between writing last.pt and step_N.pt (0: never)."""

    out: Path
    steps: int
    stop: int
    learning_rate: float
    workers: int
    save_every: int = 10
    keep_every: int = 100


def start_learning(
    config: CompactConfig, weights: dict[str, Tensor], last: Path
) -> tuple[Learning, int]:
    """Builds the networks as the last checkpoint left them, else with the weights. Returns them
    and the step. Raises CheckpointError."""
    learning = build_learning(config, torch.device('cpu'), 1)
    for network in (learning.network, learning.average):
        load_weights(network, weights)
    freeze_first_blocks(learning.network)
    step = int(restore(last, learning.parts())['step']) if last.exists() else 0
    learning.network.train()
    for norm in norms_of(learning.network).values():
        norm.eval()  # a few frames are too few to estimate batch statistics
    return learning, step


def freeze_first_blocks(network: nn.Module) -> None:
    """Freezes the encoder's stem and first two blocks, which cost half of a step's time."""
    for name, parameter in network.named_parameters():
        if name.startswith(FROZEN):
            parameter.requires_grad_(False)


def self_train(
    frames: MixedFrames, weights: dict[str, Tensor], options: SelfTraining
) -> dict[str, Tensor]:
    """Trains from the weights. Returns those of the averaged network. Raises CheckpointError for a
    damaged last.pt and OSError for a full disk."""
    torch.manual_seed(frames.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    learning, step = start_learning(frames.config, weights, options.out / 'last.pt')
    coming = mixed_batches(frames, step, options.workers)
    begin_s, end = time.monotonic(), min(options.stop, options.steps)
    with (options.out / 'log.jsonl').open('a') as log:
        while step < end:
            rate = learning_rate(
                'cosine',
                options.learning_rate,
                step / options.steps,
                step,
                min(WARM_UP, options.steps),
            )
            found = advance_mixed(learning, next(coming), rate, frames.counts[0])
            if math.isfinite(found['norm']):
                update_average(learning, step + 1, EMA)
            step += 1
            entry = {'step': step, 'lr': rate, **found, 's': round(time.monotonic() - begin_s, 1)}
            print(json.dumps(entry), file=log, flush=True)
            if step % options.save_every == 0 or step == end:
                save_progress(learning, step, options)
                print(f'step {step} of {options.steps}', flush=True)
    return learning.average.state_dict()


def save_progress(learning: Learning, step: int, options: SelfTraining) -> None:
    about = {'config': learning.config.name, 'code': current_commit(), 'step': step}
    about['rng'] = torch.get_rng_state()
    state = about | {name: part.state_dict() for name, part in learning.parts().items()}
    save(options.out / 'last.pt', state)
    if options.keep_every and step % options.keep_every == 0:
        average = learning.average.state_dict()
        save(options.out / f'step_{step:06d}.pt', {**about, 'average': average})


def advance_mixed(
    learning: Learning, batch: Batch, rate: float, generated: int
) -> dict[str, float]:
    """Takes one step and returns its losses and the norm of the gradient. generated: how many of
    the images come with truth. A step whose gradient is not finite changes nothing."""
    for group in learning.optimizer.param_groups:
        group['lr'] = rate * group['share']
    learning.optimizer.zero_grad(set_to_none=True)
    assert isinstance(learning.config, CompactConfig)
    found = mixed_losses(learning.network, batch, learning.config, generated)
    torch.stack(list(found.values())).sum().backward()
    norm = float(nn.utils.clip_grad_norm_(learning.network.parameters(), CLIP))
    if math.isfinite(norm):
        learning.optimizer.step()
    return {name: round(float(v.detach()), 5) for name, v in found.items()} | {'norm': norm}


def mixed_losses(
    network: nn.Module, batch: Batch, config: CompactConfig, generated: int
) -> dict[str, Tensor]:
    """Returns weighted losses by task, those of real frames as `real TASK`."""
    late, early = network(normalised(batch['image']['rgb']))
    found: dict[str, Tensor] = {}
    for domain, rows in (('', slice(None, generated)), ('real ', slice(generated, None))):
        terms: dict[str, Tensor] = {}
        for name in config.tasks:
            wanted = {key: value[rows] for key, value in batch[name].items()}
            terms |= task_losses(name, late[name][rows], early[name][rows], wanted, config)
        weights = REAL_WEIGHTS if domain else {}
        found |= {domain + n: weights.get(n, 1.0) * v for n, v in by_task(terms).items()}
    return found


def task_losses(
    name: str, late: Tensor, early: Tensor, wanted: dict[str, Tensor], config: CompactConfig
) -> dict[str, Tensor]:
    """Returns the loss of a task and of its preliminary prediction."""
    task, share = task_of(name, config), known_share(name, wanted)
    final = label_loss(late, wanted) if name == 'semantic' else task.loss(late, wanted) * share
    return {name: final, f'{name}_preliminary': task.preliminary_loss(early, wanted) * share}


def known_share(name: str, wanted: dict[str, Tensor]) -> Tensor:
    """Returns the share of images with depth, so that few of them count little."""
    if name != 'depth':
        return torch.ones(())
    return torch.isfinite(wanted['log_depth']).flatten(1).any(1).float().mean()


def label_loss(logits: Tensor, wanted: dict[str, Tensor]) -> Tensor:
    """Weights each pixel of `semantic.loss` by its teachers' confidence."""
    logits = F.interpolate(logits.float(), scale_factor=2.0, mode='bilinear')
    labels, weights = wanted['labels'], wanted['class_weights'][0]
    cost = F.cross_entropy(logits, labels, weights, ignore_index=UNLABELED, reduction='none')
    weight = weights[labels.where(labels != UNLABELED, 0)] * (labels != UNLABELED)
    total = (cost * wanted['confidence']).sum() / weight.sum().clamp(min=1e-6)
    return total + semantic.JACCARD_WEIGHT * semantic.jaccard_loss(logits, labels)
