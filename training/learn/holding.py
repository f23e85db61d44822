"""Keeps what a network knew while it learns something else: distillation from the frozen one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.config import CompactConfig
from training.data.by_name import Tables
from training.data.sample import Sample
from training.graphs.deploy import normalised
from training.learn.adapting import distillation_loss, kept_boxes, labelled_in
from training.learn.learning_compact import Batch, losses_of

WEIGHT = 1.0  # of the distillation losses


@dataclass(frozen=True, slots=True)
class Tasks:
    """labelled: tasks that the frames teach; held: tasks that distillation keeps as they were;
    kept_boxes: channels of boxes3d that the frames have no labels for."""

    labelled: tuple[str, ...]
    held: tuple[str, ...]
    kept_boxes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """The frozen network, and what of it stays."""

    teacher: nn.Module
    tasks: Tasks

    def losses(
        self, network: nn.Module, batch: Batch, config: CompactConfig
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Returns the losses of the labels by name, and the distances to the frozen network."""
        image = normalised(batch['image']['rgb'])
        late, early = network(image)
        found = losses_of(late, early, batch, config)
        with torch.no_grad():
            want, want_early = self.teacher(image)
        kept = distillation_loss(late, want, self.tasks.held)
        early_ones = distillation_loss(early, want_early, self.tasks.held)
        kept |= {f'{name} early': value for name, value in early_ones.items()}
        channels = list(self.tasks.kept_boxes)
        if channels:
            kept['boxes3d kept'] = kept_boxes(late['boxes3d'], want['boxes3d'], channels)
        return found, {name: WEIGHT * value for name, value in kept.items()}


def tasks_of(
    config: CompactConfig, old_config: CompactConfig, samples: list[Sample], tables: Tables
) -> Tasks:
    """Raises ValueError if the samples have labels of no task."""
    there = labelled_in(samples)
    labelled = tuple(t for t in config.tasks if t in there)
    if not labelled:
        raise ValueError(
            f'The training frames have labels for none of the tasks {", ".join(config.tasks)}; '
            'add labels for one.'
        )
    held = tuple(t for t in old_config.tasks if t not in labelled)
    taught = {n for c in tables.boxes for n in tables.class_map.get(c.name, (c.name,))}
    kept = tuple(c.id for c in old_config.box_classes if c.name not in taught)
    return Tasks(labelled, held, kept if 'boxes3d' in labelled else ())
