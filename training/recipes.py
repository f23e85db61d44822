"""The papers' trainings as named configurations, one per published checkpoint.

Source: docs/network-specification.md, sections 5 and 6.

    torchrun --nproc-per-node 2 -m training.train taskprompter_vitl_nyud --data NYUDv2 --out runs/t

Batch sizes are per process; `processes` is the number that the authors used. Each recipe has a
variant NAME_small for one GPU with little memory: it processes one image at a time, accumulates
the gradients of the authors' batch, recomputes activations and uses bfloat16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from mtscene_ros.types import SemanticClass
from training.networks.zoo import (
    NETWORKS,
    NetworkConfig,
    resized_config,
    with_classes,
    with_encoder,
    with_tasks,
)

STEPS = 40_000
DROP_PATH = 0.15


@dataclass(frozen=True, slots=True)
class Recipe:
    """One published training. network: name in training.networks.zoo; data_set: name in
    training.data; loss_weights: name in training.losses; batch: images per process and pass;
    accumulate: passes per step; processes: number used by the authors; unknown_depth: the value
    for unknown depth, 255 in InvPT and -1 in TaskPrompter; classes, own_tasks, size_px (height and
    width), encoder (of timm): of a user's own, () or '' for those of the paper.
    """

    name: str
    network: str
    data_set: str
    loss_weights: str
    batch: int
    processes: int
    learning_rate: float
    weight_decay: float = 1e-6
    clip: float = math.inf
    steps: int = STEPS
    augmentation: str = 'published'
    unknown_depth: float = -1.0
    accumulate: int = 1
    recompute: bool = False
    bf16: bool = False
    classes: tuple[SemanticClass, ...] = ()
    own_tasks: tuple[str, ...] = ()
    size_px: tuple[int, int] | tuple[()] = ()
    encoder: str = ''

    @property
    def network_config(self) -> NetworkConfig:
        """Raises ValueError for tasks, an encoder or a size that the network cannot have."""
        config = with_tasks(NETWORKS[self.network], self.own_tasks)
        config = with_encoder(with_classes(config, len(self.classes)), self.encoder)
        return resized_config(config, *(self.size_px or (config.height_px, config.width_px)))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Returns the tasks under the network's names."""
        return tuple(name for name, _ in self.network_config.tasks)

    @property
    def height_px(self) -> int:
        return self.network_config.height_px

    @property
    def width_px(self) -> int:
        return self.network_config.width_px


def invpt(name: str, data_set: str, loss_weights: str) -> Recipe:
    return Recipe(name, name, data_set, loss_weights, 2, 3, 2e-5, unknown_depth=255.0)


def taskprompter(name: str, data_set: str, loss_weights: str, rate: float) -> Recipe:
    return Recipe(name, name, data_set, loss_weights, 2, 2, rate, clip=10.0)


CITYSCAPES = Recipe(
    'taskprompter_swinb_cityscapes3d',
    'taskprompter_swinb_cityscapes3d',
    'cityscapes3d',
    'cityscapes3d',
    1,
    2,
    2e-5,
    weight_decay=0.0,
    clip=10.0,
    augmentation='none',
)
PUBLISHED_RECIPES = (
    *(invpt(f'invpt_vit{size}_nyud', 'nyud', 'nyud') for size in 'bl'),
    *(invpt(f'invpt_vit{size}_pascal', 'pascal_context', 'pascal') for size in 'bl'),
    *(taskprompter(f'taskprompter_vit{size}_nyud', 'nyud', 'nyud', 1e-5) for size in 'bl'),
    *(
        taskprompter(f'taskprompter_vit{size}_pascal', 'pascal_context', 'pascal', 2e-5)
        for size in 'bl'
    ),
    CITYSCAPES,
)


def for_a_small_gpu(recipe: Recipe) -> Recipe:
    return replace(
        recipe,
        name=f'{recipe.name}_small',
        batch=1,
        accumulate=recipe.batch * recipe.processes,
        processes=1,
        recompute=True,
        bf16=True,
    )


TINY_RECIPES = (
    replace(invpt('tiny_invpt_nyud', 'nyud', 'nyud'), batch=1),
    replace(invpt('tiny_invpt_pascal', 'pascal_context', 'pascal'), batch=1),
    replace(taskprompter('tiny_taskprompter_noctr_nyud', 'nyud', 'nyud', 1e-5), batch=1),
    replace(
        taskprompter('tiny_taskprompter_ctr_pascal', 'pascal_context', 'pascal', 2e-5), batch=1
    ),
    replace(CITYSCAPES, name='tiny_taskprompter_swin_cs3d', network='tiny_taskprompter_swin_cs3d'),
)
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for each in (*PUBLISHED_RECIPES, *TINY_RECIPES)
    for recipe in (each, for_a_small_gpu(each))
}
