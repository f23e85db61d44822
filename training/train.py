"""Trains a named configuration from scratch on rendered frames.

    python -m training.train drive_nano --data data/drive --out runs/nano --minutes 55 --bf16

Resumes where `last.pt` in --out stops; with --steps as if never interrupted. Several processes:
`torchrun --nproc-per-node 2 -m training.train ...`. Batch statistics are those of all processes on
GPUs; SyncBatchNorm does not run on CPUs, where each process takes its own.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training.checkpoint_store import restore, save
from training.config import CONFIGS, CompactConfig
from training.deploy import normalised
from training.export import current_commit
from training.loader import Batch, Frames, Positions, batches
from training.networks.compact import CompactNetwork
from training.pretrained import load_encoder
from training.schedule import SCHEDULES, learning_rate
from training.tasks import TASKS
from training.weighting import FixedWeights, UncertaintyWeights, by_task


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


def update_average(average: nn.Module, network: nn.Module, step: int, decay: float) -> None:
    """Exponential moving average of weights and batch statistics, shorter at the beginning."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for mean, value in zip(
            average.state_dict().values(), network.state_dict().values(), strict=True
        ):
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


def moved(batch: Batch, device: torch.device) -> Batch:
    return {
        name: {key: value.to(device, non_blocking=True) for key, value in of.items()}
        for name, of in batch.items()
    }


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


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', choices=sorted(CONFIGS))
    parser.add_argument('--data', type=Path, nargs='+', required=True)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--encoder-weights', type=Path, help='see training/pretrained.py')
    parser.add_argument('--minutes', type=float, default=60.0, help='wall time, resumes included')
    parser.add_argument('--steps', type=int, default=10**9)
    parser.add_argument('--threads', type=int, default=1, help='per process')
    parser.add_argument('--workers', type=int, default=1, help='loader processes')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--ema', type=float, default=0.998)
    parser.add_argument('--save-every', type=int, default=200, help='steps')
    parser.add_argument('--bf16', action='store_true', help='autocast')
    parser.add_argument('--schedule', choices=sorted(SCHEDULES), default='cosine')
    parser.add_argument('--uncertainty', action='store_true', help='learned task weights')
    parser.add_argument('--keep-every', type=int, default=0, help='steps; 0: last.pt alone')
    parser.add_argument('--log-every', type=int, default=20, help='steps')
    parser.add_argument('--clip', type=float, default=5.0, help='norm of the gradient')
    parser.add_argument(
        '--freeze-batch-norm', action='store_true', help='use running statistics, as in evaluation'
    )
    return parser.parse_args(arguments)


def agreed(progress: float) -> float:
    """The first process's clock, so that all end at the same step."""
    if not torch.distributed.is_initialized():
        return progress
    device = 'cuda' if torch.distributed.get_backend() == 'nccl' else 'cpu'
    value = torch.tensor(progress, dtype=torch.float64, device=device)
    torch.distributed.broadcast(value, 0)
    return float(value)


def set_train_mode(network: nn.Module, freeze_batch_norm: bool) -> None:
    network.train()
    for module in network.modules():
        if freeze_batch_norm and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def main(arguments: list[str] | None = None) -> Path:
    """Returns the path of the last checkpoint."""
    options = options_from(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    together = int(os.environ.get('WORLD_SIZE', '1')) > 1
    if together:
        torch.distributed.init_process_group('nccl' if torch.cuda.is_available() else 'gloo')
    try:
        train(options)
    finally:
        if together:
            torch.distributed.destroy_process_group()
    return Path(options.out) / 'last.pt'


def train(options: argparse.Namespace) -> None:
    config = CONFIGS[options.config]
    rank, world = int(os.environ.get('RANK', '0')), int(os.environ.get('WORLD_SIZE', '1'))
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    device = torch.device('cpu')
    if torch.cuda.is_available():
        device = torch.device('cuda', int(os.environ.get('LOCAL_RANK', '0')))
        torch.cuda.set_device(device)
    checkpoint = options.out / 'last.pt'

    network: nn.Module = CompactNetwork(config).to(device)
    if options.encoder_weights:
        load_encoder(network.encoder, options.encoder_weights)  # type: ignore[arg-type]
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = CompactNetwork(config).to(device)
    average.load_state_dict(network.state_dict())
    weights = (UncertaintyWeights(config.tasks) if options.uncertainty else FixedWeights()).to(
        device
    )
    groups = parameter_groups(network, config)
    if options.uncertainty:
        groups.append({'params': list(weights.parameters()), 'weight_decay': 0.0, 'share': 1.0})
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
    learned: dict[str, Any] = {
        'network': network,
        'average': average,
        'weights': weights,
        'optimizer': optimizer,
    }
    step, earlier_s, skipped = 0, 0.0, 0
    if checkpoint.exists():
        step, earlier_s, skipped = restore(checkpoint, learned)
    engine = network
    if world > 1:
        if device.type == 'cuda':
            # In place, so that the optimizer's parameters and the saved names stay.
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        engine = DistributedDataParallel(network, broadcast_buffers=False)

    frames = Frames(options.data, config, options.seed)
    coming = batches(frames, Positions(step, config.batch, rank, world), options.workers)
    code, begin_s, waited_s = current_commit(), time.monotonic() - earlier_s, 0.0
    set_train_mode(network, options.freeze_batch_norm)
    progress = agreed(max(step / options.steps, earlier_s / (60 * options.minutes)))
    first_step, start_s = step, time.monotonic()
    with (options.out / ('log.jsonl' if rank == 0 else f'log.{rank}.jsonl')).open('a') as log:
        while progress < 1:
            rate = learning_rate(
                options.schedule, config.learning_rate, progress, step, min(200, options.steps)
            )
            for group in optimizer.param_groups:
                group['lr'] = rate * group['share']
            asked_s = time.monotonic()
            batch = moved(next(coming), device)
            waited_s += time.monotonic() - asked_s
            with torch.autocast(device.type, torch.bfloat16, enabled=options.bf16):
                found = losses(engine, batch, config)
            optimizer.zero_grad(set_to_none=True)
            total = weights(by_task(found))
            norm = torch.tensor(float('nan'))
            if torch.isfinite(total) and any(bool(v.detach() != 0) for v in found.values()):
                (total * world).backward()  # DDP averages; the total is everyone's already
                for p in weights.parameters():
                    if p.grad is not None:
                        p.grad /= world
                norm = nn.utils.clip_grad_norm_(network.parameters(), options.clip)
            if torch.isfinite(norm):
                optimizer.step()
                update_average(average, network, step + 1, options.ema)
            else:
                skipped += 1
            step += 1
            elapsed_s = time.monotonic() - begin_s
            progress = agreed(max(step / options.steps, elapsed_s / (60 * options.minutes)))
            if rank == 0 and (step % options.log_every == 0 or progress >= 1):
                values = {name: round(float(v.detach()), 6) for name, v in found.items()}
                run_s = time.monotonic() - start_s
                entry = {
                    'step': step,
                    's': round(elapsed_s, 1),
                    'lr': rate,
                    'norm': float(norm) if torch.isfinite(norm) else None,
                    'skipped': skipped,
                    'images_per_s': (step - first_step) * config.batch * world / run_s,
                    'loader_wait_share': waited_s / run_s,
                }
                print(json.dumps(entry | values), file=log, flush=True)
            if rank == 0 and (step % options.save_every == 0 or progress >= 1):
                state = {name: part.state_dict() for name, part in learned.items()}
                about = {'config': config.name, 'step': step, 'elapsed_s': elapsed_s}
                about |= {'skipped': skipped, 'code': code, 'rng': torch.get_rng_state()}
                save(checkpoint, about | state)
                if options.keep_every and step % options.keep_every == 0:
                    save(options.out / f'step_{step:07d}.pt', about | state)


if __name__ == '__main__':
    main()
