"""The state of a training run, and one step of it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mtscene_ros.types import SemanticClass
from training.config import CONFIGS, CompactConfig
from training.data.by_name import Tables
from training.data.sample import Sample
from training.learn import learning_compact, learning_published
from training.learn.recompute import recompute_blocks
from training.learn.transfer import transferred_weights
from training.learn.weighting import WEIGHTINGS
from training.networks.decoders import load_weights
from training.recipes import RECIPES, Recipe
from training.weights.released_files import read_released
from training.weights.released_transfer import started
from training.weights.weight_files import read_weights

Batch = dict[str, dict[str, Tensor]]
Config = CompactConfig | Recipe
ALL_CONFIGS: dict[str, Config] = {**CONFIGS, **RECIPES}


class Kind(Protocol):
    """Tells how networks of one kind of configuration are trained; implemented by modules.

    LOSS_OF_ALL: whether `losses` gathers the images of all processes; defaults: values for options
    of training.train; augmented, whole: a sample at network size; losses: terms by name; weighted:
    the terms to be summed, by task; deployed: (B, H, W, 3) uint8 → tensors of the model file.
    """

    @property
    def LOSS_OF_ALL(self) -> bool: ...  # noqa: N802

    def network_of(self, config: Any) -> nn.Module: ...

    def encoder_of(self, network: nn.Module) -> nn.Module: ...

    def load_encoder(self, network: nn.Module, path: Path, config: Any) -> None: ...

    def optimizer_of(
        self, network: nn.Module, further: list[nn.Parameter], config: Any
    ) -> torch.optim.Optimizer: ...

    def defaults(self, config: Any) -> dict[str, Any]: ...

    def augmented(self, sample: Sample, config: Any, rng: np.random.Generator) -> Sample: ...

    def whole(self, sample: Sample, config: Any) -> Sample: ...

    def targets(
        self, sample: Sample, config: Any, rng: np.random.Generator
    ) -> dict[str, dict[str, Any]]: ...

    def losses(self, network: nn.Module, batch: Batch, config: Any) -> dict[str, Tensor]: ...

    def weighted(self, found: dict[str, Tensor], config: Any) -> dict[str, Tensor]: ...

    def tables_of(self, config: Any) -> Tables: ...

    def classes_of(self, config: Any) -> tuple[SemanticClass, ...]: ...

    def deployed(self, network: nn.Module, config: Any) -> nn.Module: ...


class Distillation(Protocol):
    """Returns the losses of the labels, and further ones that keep what a network knew; see
    training/learn/holding.py."""

    def losses(
        self, network: nn.Module, batch: Batch, config: Any, /
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]: ...


KINDS: dict[type, Kind] = {CompactConfig: learning_compact, Recipe: learning_published}


def kind_of(config: Config) -> Kind:
    return KINDS[type(config)]


@dataclass(frozen=True, slots=True, eq=False)
class Learning:
    """State of a run. network: the module that the optimizer changes; engine: the network, or DDP
    around it; average: its exponential moving average, which is exported; weights: weights of the
    tasks' losses; held: what a frozen network adds to the losses."""

    config: Config
    device: torch.device
    network: nn.Module
    engine: nn.Module
    average: nn.Module
    weights: nn.Module
    optimizer: torch.optim.Optimizer
    held: Distillation | None = None

    @property
    def kind(self) -> Kind:
        return kind_of(self.config)

    def parts(self) -> dict[str, Any]:
        """Returns the parts that a checkpoint stores."""
        return {
            'network': self.network,
            'average': self.average,
            'weights': self.weights,
            'optimizer': self.optimizer,
        }


def build_learning(
    config: Config,
    device: torch.device,
    world: int,
    weighting: str = 'fixed',
    encoder_weights: Path | None = None,
    recompute: bool = False,
) -> Learning:
    """Builds a new network and its training state; recompute: see training/learn/recompute.py.
    Raises ValueError for encoder weights that do not fit."""
    kind = kind_of(config)
    network = kind.network_of(config).to(device)
    if encoder_weights:
        kind.load_encoder(network, encoder_weights, config)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = kind.network_of(config).to(device)
    average.load_state_dict(network.state_dict())
    if recompute:
        recompute_blocks(network, kind.encoder_of(network))
    weights = WEIGHTINGS[weighting](config.tasks).to(device)
    optimizer = kind.optimizer_of(network, list(weights.parameters()), config)
    engine = network
    if world > 1:
        if device.type == 'cuda':
            # In place, so that the optimizer keeps its parameters and checkpoints keep their
            # names.
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        engine = DistributedDataParallel(network, broadcast_buffers=False)
    return Learning(config, device, network, engine, average, weights, optimizer)


def load_average(learning: Learning, path: Path) -> None:
    """Starts from another run's averaged network with a new step, optimizer and schedule.

    Where classes or tasks differ, weights go over by name, also from another configuration with
    the same encoder and decoder. Raises ValueError for a checkpoint of another architecture.
    """
    config = learning.config
    if not isinstance(config, CompactConfig):
        load_released(learning, config, path)
        return
    old_config, weights = read_weights(path)
    if config.architecture != old_config.architecture:
        why = 'give --weights one with the same encoder, decoder and widths'
        raise ValueError(
            f'{path} is a checkpoint of {old_config.name}, not of {config.name}: {why}.'
        )
    for network in (learning.network, learning.average):
        found = transferred_weights(network.state_dict(), weights, config, old_config)
        load_weights(network, found)


def load_released(learning: Learning, recipe: Recipe, path: Path) -> None:
    """Starts from a checkpoint that the authors or others released, or one of this training; says
    what starts afresh and what is left out. Raises CheckpointError."""
    file = read_released(path)
    start = started(learning.network.state_dict(), recipe, file, path)
    for sentence in (*file.said, *start.said):
        print(sentence, file=sys.stderr)
    for network in (learning.network, learning.average):
        network.load_state_dict(start.weights)


def set_train_mode(network: nn.Module, freeze_batch_norm: bool) -> None:
    network.train()
    for module in network.modules():
        if freeze_batch_norm and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def to_device(batch: Batch, device: torch.device) -> Batch:
    return {
        name: {key: value.to(device, non_blocking=True) for key, value in of.items()}
        for name, of in batch.items()
    }


def advance(
    learning: Learning, batches: list[Batch], rate: float, clip: float, bf16: bool
) -> tuple[dict[str, Tensor], float]:
    """Takes one step over one or more batches. Returns every loss of the last batch and the norm
    of the gradient, which is NaN if the step was skipped.

    Skips steps whose loss or gradient is not finite, and batches without any label.
    """
    for group in learning.optimizer.param_groups:
        group['lr'] = rate * group['share']
    learning.optimizer.zero_grad(set_to_none=True)
    counted = 0
    for number, batch in enumerate(batches):
        with synchronised(learning, number == len(batches) - 1):
            found, total = total_loss(learning, batch, bf16)
            if not true_everywhere(learning, bool(torch.isfinite(total))):
                return found, math.nan
            if true_everywhere(learning, any(bool(v.detach() != 0) for v in found.values())):
                (total * ddp_factor(learning) / len(batches)).backward()
                counted += 1
    if not counted:
        return found, math.nan
    for p in learning.weights.parameters():
        if p.grad is not None:
            p.grad /= ddp_factor(learning)
    norm = float(nn.utils.clip_grad_norm_(learning.network.parameters(), clip))
    if not math.isfinite(norm):
        return found, math.nan
    learning.optimizer.step()
    return found, norm


def total_loss(learning: Learning, batch: Batch, bf16: bool) -> tuple[dict[str, Tensor], Tensor]:
    """Returns every loss term and the total that is minimised."""
    kind, config, held = learning.kind, learning.config, learning.held
    batch = to_device(batch, learning.device)
    kept: dict[str, Tensor] = {}
    with torch.autocast(learning.device.type, torch.bfloat16, enabled=bf16):
        if held is None:
            found = kind.losses(learning.engine, batch, config)
        else:
            found, kept = held.losses(learning.engine, batch, config)
    total = learning.weights(kind.weighted(found, config))
    return {**found, **kept}, total + sum(kept.values())


def synchronised(learning: Learning, is_last: bool) -> AbstractContextManager[None]:
    """Lets DDP average gradients over the processes once per step, after the last batch."""
    engine = learning.engine
    if isinstance(engine, DistributedDataParallel) and not is_last:
        waiting: AbstractContextManager[None] = engine.no_sync()
        return waiting
    return nullcontext()


def ddp_factor(learning: Learning) -> int:
    """Returns the factor that undoes DDP's averaging where a loss already covers all processes."""
    several = isinstance(learning.engine, DistributedDataParallel)
    return torch.distributed.get_world_size() if several and learning.kind.LOSS_OF_ALL else 1


def true_everywhere(learning: Learning, own: bool) -> bool:
    """Returns True only if all processes agree: a backward pass must never run in only some of
    them."""
    if not isinstance(learning.engine, DistributedDataParallel) or learning.kind.LOSS_OF_ALL:
        return own
    flag = torch.tensor(float(own), device=learning.device)
    torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MIN)
    return bool(flag)


def update_average(learning: Learning, step: int, decay: float) -> None:
    """Updates the moving average of weights and batch statistics; its horizon is shorter at the
    start."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for mean, value in zip(
            learning.average.state_dict().values(),
            learning.network.state_dict().values(),
            strict=True,
        ):
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


def validation_loss(learning: Learning, batches: Iterator[Batch]) -> float:
    """Returns the averaged network's mean total loss over batches, with fixed weights."""
    kind, config = learning.kind, learning.config
    learning.average.eval()
    totals = []
    with torch.no_grad():
        for batch in batches:
            found = kind.losses(learning.average, to_device(batch, learning.device), config)
            totals.append(float(sum(kind.weighted(found, config).values())))
    learning.average.train()
    return sum(totals) / max(1, len(totals))
