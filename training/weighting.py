"""How the losses of the tasks are weighted against one another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PRELIMINARY_WEIGHT = 0.3
TASK_WEIGHTS = {'semantic': 1.0, 'depth': 2.0, 'boxes3d': 1.0}


def by_task(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Adds every task's preliminary loss to its own."""
    names = [name for name in found if not name.endswith('_preliminary')]
    return {n: found[n] + PRELIMINARY_WEIGHT * found[f'{n}_preliminary'] for n in names}


class FixedWeights(nn.Module):
    def forward(self, losses: dict[str, Tensor]) -> Tensor:
        terms = [TASK_WEIGHTS.get(name, 1.0) * value for name, value in losses.items()]
        return torch.stack(terms).sum()


class UncertaintyWeights(nn.Module):
    """exp(-s) L + s / 2 with s = ln sigma^2 learned (Kendall et al., CVPR 2018, section 3.2)."""

    def __init__(self, tasks: tuple[str, ...]) -> None:
        super().__init__()
        self.log_variance = nn.ParameterDict({t: nn.Parameter(torch.zeros(())) for t in tasks})

    def forward(self, losses: dict[str, Tensor]) -> Tensor:
        """A task without labels in the batch has loss 0 and does not move its s."""
        terms = []
        for name, value in losses.items():
            s = self.log_variance[name]
            term = torch.exp(-s) * TASK_WEIGHTS.get(name, 1.0) * value + s / 2
            terms.append(torch.where(value.detach() == 0, value, term))
        return torch.stack(terms).sum()
