"""What is learned in a run, and one step of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training.config import CompactConfig
from training.deploy import normalised
from training.loader import Batch
from training.networks.decoders import compact_network, load_weights
from training.pretrained import load_encoder
from training.recompute import recompute_blocks
from training.tasks import TASKS
from training.weighting import WEIGHTINGS, by_task


@dataclass(frozen=True, slots=True, eq=False)
class Learning:
    """network: what the optimizer changes; engine: the network, or DDP around it; average: its
    exponential moving average, which is what is exported; weights: of the tasks' losses."""

    config: CompactConfig
    device: torch.device
    network: nn.Module
    engine: nn.Module
    average: nn.Module
    weights: nn.Module
    optimizer: torch.optim.Optimizer

    def parts(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            'network': self.network,
            'average': self.average,
            'weights': self.weights,
            'optimizer': self.optimizer,
        }


def built(
    config: CompactConfig,
    device: torch.device,
    world: int,
    weighting: str = 'fixed',
    encoder_weights: Path | None = None,
    recompute: bool = False,
) -> Learning:
    """A fresh network and everything around it; recompute: see training/recompute.py. Raises
    ValueError for encoder weights that do not fit."""
    network: nn.Module = compact_network(config).to(device)
    if encoder_weights:
        load_encoder(network.encoder, encoder_weights)  # type: ignore[arg-type]
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = compact_network(config).to(device)
    average.load_state_dict(network.state_dict())
    if recompute:
        recompute_blocks(network, network.encoder)  # type: ignore[arg-type]
    weights = WEIGHTINGS[weighting](config.tasks).to(device)
    groups = parameter_groups(network, config)
    if learned := list(weights.parameters()):
        groups.append({'params': learned, 'weight_decay': 0.0, 'share': 1.0})
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
    engine = network
    if world > 1:
        if device.type == 'cuda':
            # In place, so that the optimizer's parameters and the saved names stay.
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        engine = DistributedDataParallel(network, broadcast_buffers=False)
    return Learning(config, device, network, engine, average, weights, optimizer)


def load_average(learning: Learning, path: Path) -> None:
    """Begins where another run's averaged network ended; step, optimizer and schedule are new.

    Raises ValueError for a checkpoint of another configuration.
    """
    state = torch.load(path, map_location='cpu', weights_only=True)
    if state['config'] != learning.config.name:
        raise ValueError(
            f'{path} holds {state["config"]}; give --weights a checkpoint of '
            f'{learning.config.name}.'
        )
    for network in (learning.network, learning.average):
        load_weights(network, state['average'])


def parameter_groups(network: nn.Module, config: CompactConfig) -> list[dict[str, Any]]:
    """No decay for biases, norms and positions; `share`: of the learning rate."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, p in network.named_parameters():
        decays = p.ndim > 1 and p.shape[0] > 1
        groups.setdefault((name.startswith('encoder.'), decays), []).append(p)
    return [
        {
            'params': found,
            'weight_decay': config.weight_decay if decays else 0.0,
            'share': config.encoder_rate if of_encoder else 1.0,
        }
        for (of_encoder, decays), found in groups.items()
    ]


def set_train_mode(network: nn.Module, freeze_batch_norm: bool) -> None:
    network.train()
    for module in network.modules():
        if freeze_batch_norm and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def of_all(own: Tensor) -> Tensor:
    """(B, ...) of every process → (world B, ...); gradients flow to the own part alone."""
    own = own.contiguous()
    parts = [torch.empty_like(own) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, own.detach())
    parts[torch.distributed.get_rank()] = own
    return torch.cat(parts)


def losses(network: nn.Module, batch: Batch, config: CompactConfig) -> dict[str, Tensor]:
    """Of the whole step's batch in every process: means over pixels then need no correction."""
    late, early = network(normalised(batch['image']['rgb']))
    if torch.distributed.is_initialized():
        late = {name: of_all(value) for name, value in late.items()}
        early = {name: of_all(value) for name, value in early.items()}
        names = config.tasks
        batch = {n: {key: of_all(value) for key, value in batch[n].items()} for n in names}
    found = {}
    for name in config.tasks:
        found[name] = TASKS[name].loss(late[name], batch[name])
        found[f'{name}_preliminary'] = TASKS[name].preliminary_loss(early[name], batch[name])
    return found


def moved(batch: Batch, device: torch.device) -> Batch:
    return {
        name: {key: value.to(device, non_blocking=True) for key, value in of.items()}
        for name, of in batch.items()
    }


def advance(
    learning: Learning, batch: Batch, rate: float, clip: float, bf16: bool
) -> tuple[dict[str, Tensor], float]:
    """One step → every loss, and the norm of the gradient; NaN where the step was skipped.

    Skipped are batches whose loss or gradient is not finite, and batches without any label.
    """
    world = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
    for group in learning.optimizer.param_groups:
        group['lr'] = rate * group['share']
    with torch.autocast(learning.device.type, torch.bfloat16, enabled=bf16):
        found = losses(learning.engine, moved(batch, learning.device), learning.config)
    learning.optimizer.zero_grad(set_to_none=True)
    total = learning.weights(by_task(found))
    if not torch.isfinite(total) or not any(bool(v.detach() != 0) for v in found.values()):
        return found, float('nan')
    (total * world).backward()  # DDP averages; the total is everyone's already
    for p in learning.weights.parameters():
        if p.grad is not None:
            p.grad /= world
    norm = float(nn.utils.clip_grad_norm_(learning.network.parameters(), clip))
    if not torch.isfinite(torch.tensor(norm)):
        return found, float('nan')
    learning.optimizer.step()
    return found, norm


def update_average(learning: Learning, step: int, decay: float) -> None:
    """Exponential moving average of weights and batch statistics, shorter at the beginning."""
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
    """Mean over batches of the averaged network's total loss with fixed weights."""
    learning.average.eval()
    totals = []
    with torch.no_grad():
        for batch in batches:
            on_device = moved(batch, learning.device)
            late, early = learning.average(normalised(on_device['image']['rgb']))
            found = {}
            for name in learning.config.tasks:
                task, targets = TASKS[name], on_device[name]
                found[name] = task.loss(late[name], targets)
                found[f'{name}_preliminary'] = task.preliminary_loss(early[name], targets)
            totals.append(float(sum(by_task(found).values())))
    learning.average.train()
    return sum(totals) / max(1, len(totals))
