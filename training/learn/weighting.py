"""Weights of the tasks' losses relative to one another."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

PRELIMINARY_WEIGHT = 0.3
TASK_WEIGHTS = {'semantic': 1.0, 'depth': 2.0, 'boxes3d': 1.0, 'normals': 10.0, 'boundary': 50.0}
SPAN_STEPS = 200  # over which DynamicWeights averages a loss; its paper uses an epoch
TEMPERATURE = 2.0


def by_task(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Adds every task's preliminary loss, times the task's fixed weight, to the task's loss."""
    names = [name for name in found if not name.endswith('_preliminary')]
    return {
        n: TASK_WEIGHTS.get(n, 1.0) * (found[n] + PRELIMINARY_WEIGHT * found[f'{n}_preliminary'])
        for n in names
    }


class FixedWeights(nn.Module):
    """Sums `by_task`."""

    def __init__(self, tasks: tuple[str, ...]) -> None:
        super().__init__()

    def forward(self, losses: dict[str, Tensor]) -> Tensor:
        return torch.stack(list(losses.values())).sum()


class UncertaintyWeights(nn.Module):
    """exp(-s) L + s / 2 with s = ln sigma^2 learned (Kendall et al., CVPR 2018, section 3.2)."""

    def __init__(self, tasks: tuple[str, ...]) -> None:
        super().__init__()
        self.log_variance = nn.ParameterDict({t: nn.Parameter(torch.zeros(())) for t in tasks})

    def forward(self, losses: dict[str, Tensor]) -> Tensor:
        """Weights the losses. A task without labels in the batch has loss 0 and leaves its s
        unchanged."""
        terms = []
        for name, value in losses.items():
            s = self.log_variance[name]
            term = torch.exp(-s) * value + s / 2
            terms.append(torch.where(value.detach() == 0, value, term))
        return torch.stack(terms).sum()


class DynamicWeights(nn.Module):
    """Dynamic weight average (Liu et al., CVPR 2019, eq. 7): a task whose loss falls slowly gets
    more weight. Weights are equal until two spans have passed."""

    total: Tensor
    count: Tensor
    means: Tensor

    def __init__(self, tasks: tuple[str, ...]) -> None:
        super().__init__()
        self.register_buffer('total', torch.zeros(len(tasks)))
        self.register_buffer('count', torch.zeros((), dtype=torch.int64))
        self.register_buffer('means', torch.full((2, len(tasks)), float('nan')))

    def forward(self, losses: dict[str, Tensor]) -> Tensor:
        """Weights the losses and records those that are finite."""
        values = torch.stack(list(losses.values()))
        noted = values.detach()
        if torch.isfinite(noted).all():
            self.total += noted
            self.count += 1
        if int(self.count) == SPAN_STEPS:
            self.means = torch.stack([self.means[1], self.total / SPAN_STEPS])
            self.total, self.count = torch.zeros_like(self.total), torch.zeros_like(self.count)
        return (self.weights() * values).sum()

    def weights(self) -> Tensor:
        """Returns (T,) weights that sum to T."""
        if not torch.isfinite(self.means).all():
            return torch.ones_like(self.total)
        pace = self.means[1] / self.means[0].clamp(min=1e-12)
        return len(pace) * torch.softmax(pace / TEMPERATURE, 0)


WEIGHTINGS: dict[str, Callable[[tuple[str, ...]], nn.Module]] = {
    'fixed': FixedWeights,
    'uncertainty': UncertaintyWeights,
    'dynamic': DynamicWeights,
}
