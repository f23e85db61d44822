"""Named configurations: the nine of the papers, and tiny ones with exactly known outputs.

The papers are InvPT (Ye and Xu, ECCV 2022) and TaskPrompter (Ye and Xu, ICLR 2023). The authors
publish no script for InvPT on ViT-B (it follows the paper here) and none for TaskPrompter on ViT-B
and NYUD-v2 (it follows their ViT-L script).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from mtscene_ros.terminal import did_you_mean, listed
from training.config import CONFIGS, CompactConfig
from training.networks.compact_matching import CompactMatchingConfig
from training.networks.detection3d import DetectionConfig
from training.networks.invpt import InvPTConfig, InvPTNetwork
from training.networks.taskprompter import TaskPrompterConfig, TaskPrompterNetwork
from training.networks.taskprompter_swin import SwinConfig, TaskPrompterSwinNetwork
from training.networks.timm_encoder import check_size, encoder_shape
from training.networks.vtm import VTMConfig

NetworkConfig = InvPTConfig | TaskPrompterConfig | SwinConfig

Channels = tuple[tuple[str, int], ...]
NYUD: Channels = (('semseg', 40), ('depth', 1), ('normals', 3), ('edge', 1))
PASCAL: Channels = (('semseg', 21), ('human_parts', 7), ('sal', 2), ('normals', 3), ('edge', 1))
CITYSCAPES_3D: Channels = (('semseg', 19), ('depth', 1), ('3ddet', 6))

NYUD_PX, PASCAL_PX = (448, 576), (512, 512)  # height, width


def invpt_vitb(size_px: tuple[int, int], tasks: Channels) -> InvPTConfig:
    return InvPTConfig(768, 12, 12, (3, 6, 9), *size_px, tasks)


def invpt_vitl(size_px: tuple[int, int], tasks: Channels) -> InvPTConfig:
    return InvPTConfig(1024, 24, 16, (6, 12, 18), *size_px, tasks)


TASKPROMPTER_B_PASCAL = TaskPrompterConfig(
    width=768,
    depth=12,
    heads=12,
    taps=(3, 6, 9),
    height_px=512,
    width_px=512,
    tasks=PASCAL,
    embed_dim=780,
    final_dim=1024,
    chan_heads=16,
    reweights=True,
)
TASKPROMPTER_L_PASCAL = replace(
    TASKPROMPTER_B_PASCAL,
    width=1024,
    depth=24,
    heads=16,
    taps=(6, 12, 18),
    embed_dim=300,
    final_dim=350,
    chan_heads=1,
)
TASKPROMPTER_L_NYUD = replace(
    TASKPROMPTER_L_PASCAL,
    height_px=448,
    width_px=576,
    tasks=NYUD,
    embed_dim=768,
    final_dim=768,
    chan_heads=16,
    reweights=False,
)
TASKPROMPTER_B_NYUD = replace(TASKPROMPTER_L_NYUD, width=768, depth=12, heads=12, taps=(3, 6, 9))
TASKPROMPTER_SWIN_B = SwinConfig(
    width=128,
    depths=(2, 2, 18, 2),
    heads=(4, 8, 16, 32),
    window=12,
    height_px=1024,
    width_px=2048,
    output_px=(512, 1024),
    tasks=CITYSCAPES_3D,
    level_dim=256,
    final_dim=450,
    chan_dim=256,
    detection=DetectionConfig(classes=6, width=256, class_width=128),
)

PUBLISHED: dict[str, NetworkConfig] = {
    'invpt_vitb_nyud': invpt_vitb(NYUD_PX, NYUD),
    'invpt_vitb_pascal': invpt_vitb(PASCAL_PX, PASCAL),
    'invpt_vitl_nyud': invpt_vitl(NYUD_PX, NYUD),
    'invpt_vitl_pascal': invpt_vitl(PASCAL_PX, PASCAL),
    'taskprompter_vitb_pascal': TASKPROMPTER_B_PASCAL,
    'taskprompter_vitl_pascal': TASKPROMPTER_L_PASCAL,
    'taskprompter_vitb_nyud': TASKPROMPTER_B_NYUD,
    'taskprompter_vitl_nyud': TASKPROMPTER_L_NYUD,
    'taskprompter_swinb_cityscapes3d': TASKPROMPTER_SWIN_B,
}

TINY_INVPT = InvPTConfig(48, 4, 3, (1, 2, 3), 128, 192, NYUD, embed_dim=24, spare_dim=8)
TINY_TASKPROMPTER = TaskPrompterConfig(
    48, 4, 3, (1, 2, 3), 96, 96, PASCAL, embed_dim=20, final_dim=28, chan_heads=1, reweights=True
)
TINY: dict[str, NetworkConfig] = {
    'tiny_invpt_nyud': TINY_INVPT,
    'tiny_invpt_pascal': replace(TINY_INVPT, width_px=128, tasks=PASCAL),
    'tiny_taskprompter_ctr_pascal': TINY_TASKPROMPTER,
    'tiny_taskprompter_noctr_nyud': replace(
        TINY_TASKPROMPTER, height_px=64, tasks=NYUD, chan_heads=4, reweights=False
    ),
    'tiny_taskprompter_swin_cs3d': SwinConfig(
        width=16,
        depths=(2, 2, 2, 2),
        heads=(1, 2, 4, 8),
        window=4,
        height_px=256,
        width_px=512,
        output_px=(128, 256),
        tasks=CITYSCAPES_3D,
        level_dim=16,
        final_dim=20,
        chan_dim=16,
        detection=DetectionConfig(classes=6, width=32, class_width=32),
    ),
}

NETWORKS: dict[str, NetworkConfig] = PUBLISHED | TINY

# Visual Token Matching (Kim et al., ICLR 2023): labelled images go in beside the image, so that
# these become model files with a task only (training/teach.py). bias_rows: the channels that the
# authors' meta-training cuts Taskonomy into.
MATCHING: dict[str, VTMConfig] = {
    'vtm_beitb_vitb': VTMConfig(
        768, 12, 12, (3, 6, 9, 12), 224, (96, 192, 384, 768), features=256, bias_rows=34
    ),
    'tiny_vtm': VTMConfig(48, 4, 3, (1, 2, 3, 4), 64, (12, 16, 24, 48), features=32, bias_rows=5),
}

# What matches on a robot's CPU, meta-trained by training/meta_train.py.
COMPACT_MATCHING: dict[str, CompactMatchingConfig] = {
    'match_lite': CompactMatchingConfig('match_lite'),
    'test_match': CompactMatchingConfig(
        'test_match', 'mobilenetv4_conv_small_035', '', 64, 128, 16, 16, 8
    ),
}

# The compact networks for robots (training/networks/decoders.py), trained by training/train.py.
COMPACT: dict[str, CompactConfig] = {n: c for n, c in CONFIGS.items() if not n.startswith('test')}


def resized_config(config: NetworkConfig, height_px: int, width_px: int) -> NetworkConfig:
    """Returns the same network for another input size. Raises ValueError if it does not support
    it."""
    if isinstance(config, InvPTConfig) and config.encoder:
        check_size(config.encoder, height_px, width_px)
        return replace(config, height_px=height_px, width_px=width_px)
    if (height_px, width_px) == (config.height_px, config.width_px):
        return config
    if not isinstance(config, InvPTConfig):
        raise ValueError(
            f'TaskPrompter has weights for every pixel of its {config.width_px}x'
            f'{config.height_px} input (token_trans, chan_kv) and cannot run at '
            f'{width_px}x{height_px}; leave the size out, or take an InvPT.'
        )
    if height_px % 64 or width_px % 64 or min(height_px, width_px) < 64:
        raise ValueError(
            f'InvPT needs a height and a width that are a multiple of 64, not '
            f'{width_px}x{height_px}; {rounded(width_px)}x{rounded(height_px)} would do.'
        )
    return replace(config, height_px=height_px, width_px=width_px)


# Task of the node → the network's name for it, where they differ.
NETWORK_NAMES = {
    'semantic': 'semseg', 'saliency': 'sal', 'boundary': 'edge', 'boxes3d': '3ddet',
}  # fmt: skip


def node_name(task: str) -> str:
    """Returns the node's name of a task of the network."""
    return next((node for node, name in NETWORK_NAMES.items() if name == task), task)


def with_tasks(config: NetworkConfig, names: Sequence[str]) -> NetworkConfig:
    """Returns the same network for other tasks, () for the published ones; names: of the node or
    of the network. Raises ValueError for tasks that it cannot have."""
    if not names:
        return config
    channels = dict([*PASCAL, *NYUD, *config.tasks])
    wanted = [NETWORK_NAMES.get(name, name) for name in names]
    if isinstance(config, SwinConfig) and set(wanted) != set(dict(config.tasks)):
        raise ValueError(
            '--tasks: the network of Cityscapes-3D has the tasks of its paper; leave it out.'
        )
    for given, name in zip(names, wanted, strict=True):
        if name not in channels:
            fix = did_you_mean(
                given, [*NETWORK_NAMES, *channels], f'they are {listed(list(channels))}.'
            )
            raise ValueError(f'--tasks: {given} is not a task of the published networks; {fix}')
    kept = [name for name, _ in config.tasks if name in wanted]
    new = [name for name in dict.fromkeys(wanted) if name not in kept]
    return replace(config, tasks=tuple((name, channels[name]) for name in (*kept, *new)))


def with_classes(config: NetworkConfig, count: int) -> NetworkConfig:
    """Returns the same network for another number of semantic classes, 0 for the published one."""
    if not count:
        return config
    tasks = tuple((name, count if name == 'semseg' else n) for name, n in config.tasks)
    return replace(config, tasks=tasks)


def with_encoder(config: NetworkConfig, name: str) -> NetworkConfig:
    """Returns the same network on an encoder of timm's, '' for its own. Raises ValueError for a
    name that timm does not have, and for TaskPrompter."""
    if not name:
        return config
    if not isinstance(config, InvPTConfig):
        raise ValueError(
            "--encoder: TaskPrompter's prompts run through the blocks of its own encoder; take an "
            'InvPT.'
        )
    encoder_shape(name)
    return replace(config, encoder=name)


def rounded(pixels: int) -> int:
    """Rounds to the nearest multiple of 64, at least 64."""
    return max(64, round(pixels / 64) * 64)


def build(config: NetworkConfig) -> nn.Module:
    """Builds the network with PyTorch's random weights."""
    if isinstance(config, InvPTConfig):
        return InvPTNetwork(config)
    if isinstance(config, TaskPrompterConfig):
        return TaskPrompterNetwork(config)
    return TaskPrompterSwinNetwork(config)


def build_on_meta(config: NetworkConfig) -> nn.Module:
    """Builds the network without memory for weights; the importer assigns the checkpoint's."""
    with torch.device('meta'):
        return build(config)
