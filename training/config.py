"""Named training configurations."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mtscene_ros.datasets.classes import CAMVID, CITYSCAPES_19, DRIVE_BOXES, NYUD_40
from mtscene_ros.types import SemanticClass

# Fractions of the pixels in 120 drive worlds (seed 900 at 9b389b1), in the order of CITYSCAPES_19.
_DRIVE_SHARES = (
    *(0.321, 0.062, 0.225, 0.0051, 0.0076, 0.0136, 0.0006, 0.0051, 0.073, 0.031),
    *(0.151, 0.0041, 0.0029, 0.0385, 0.024, 0.031, 0.0032, 0.0011, 0.0006),
)
DRIVE_WEIGHTS = tuple(share**-0.35 for share in _DRIVE_SHARES)


@dataclass(frozen=True, slots=True)
class OwnTask:
    """A user-defined dense task. classes: () for a task that predicts one number per pixel, whose
    labels have the given mean and standard deviation."""

    name: str
    classes: tuple[SemanticClass, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0


MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # ImageNet's, for uint8 RGB
STRIDE_PX = 32  # of the encoders' coarsest map
DECODERS = ('invpt', 'taskprompter')


@dataclass(frozen=True, slots=True)
class CompactConfig:
    """A compact network and what it predicts.

    encoder: name of a timm model with features at strides 4, 8, 16 and 32; decoder: see
    `training/networks/decoders.py`; prompt_blocks: transformer blocks of the decoder
    'taskprompter'; widths: channels at strides 16, 8 and 4 for every task; class_weights: weight
    of each class in the cross entropy, () for equal weights; focal_px, min_m, max_m: canonical
    depth, see `training/tasks/depth.py`; encoder_rate: learning rate of the encoder relative to
    the rest; batch: images per process and step; augmentation: see
    `training/learn/learning_compact.py`; own_tasks: definitions of the tasks that training/tasks
    lacks; data_set: name in training.data. Raises ValueError for a size that is no multiple of 32
    and for an unknown decoder.
    """

    name: str
    encoder: str = 'mobilenetv4_conv_small'
    height_px: int = 256
    width_px: int = 512
    tasks: tuple[str, ...] = ('semantic', 'depth', 'boxes3d')
    widths: tuple[int, int, int] = (128, 64, 48)
    attention_heads: int = 2
    classes: tuple[SemanticClass, ...] = CITYSCAPES_19
    class_weights: tuple[float, ...] = ()
    box_classes: tuple[SemanticClass, ...] = DRIVE_BOXES
    focal_px: float = 512.0
    min_m: float = 0.5
    max_m: float = 100.0
    box_stride_px: int = 4
    min_score: float = 0.3
    max_boxes: int = 64
    learning_rate: float = 2e-3
    encoder_rate: float = 1.0
    weight_decay: float = 0.02
    batch: int = 4
    augmentation: str = 'strong'
    decoder: str = 'invpt'
    prompt_blocks: int = 2
    own_tasks: tuple[OwnTask, ...] = ()
    data_set: str = 'worlds'

    def __post_init__(self) -> None:
        if self.decoder not in DECODERS:
            raise ValueError(f'decoder {self.decoder!r} does not exist; use one of {DECODERS}.')
        fitting = nearest_multiple(self.height_px), nearest_multiple(self.width_px)
        if (self.height_px, self.width_px) != fitting:
            raise ValueError(
                f'{self.name} needs a height and a width that are a multiple of {STRIDE_PX}, not '
                f'{self.width_px}x{self.height_px}; {fitting[1]}x{fitting[0]} would do.'
            )

    @property
    def architecture(self) -> tuple[str, str, tuple[int, int, int]]:
        """What two networks have to share so that one can start from the weights of the other."""
        return self.encoder, self.decoder, self.widths


def nearest_multiple(pixels: int) -> int:
    return max(STRIDE_PX, round(pixels / STRIDE_PX) * STRIDE_PX)


def resized(config: CompactConfig, height_px: int, width_px: int) -> CompactConfig:
    """Returns the same network for another input size. Raises ValueError as CompactConfig does."""
    return replace(config, height_px=height_px, width_px=width_px)


EVERY_TASK = ('semantic', 'depth', 'boxes3d', 'normals', 'boundary')


CONFIGS: dict[str, CompactConfig] = {
    'drive_nano': CompactConfig('drive_nano'),
    'drive_lite': CompactConfig(
        'drive_lite',
        'tf_efficientnet_lite0',
        class_weights=DRIVE_WEIGHTS,
        min_score=0.1,
        encoder_rate=0.3,
    ),
    'street_lite': CompactConfig(  # drive_lite after training.adapt --unlabelled
        'street_lite',
        'tf_efficientnet_lite0',
        class_weights=DRIVE_WEIGHTS,
        min_score=0.1,
        encoder_rate=0.3,
    ),
    'room_lite': CompactConfig(  # for 4:3 cameras, as RGB-D cameras are
        'room_lite',
        'tf_efficientnet_lite0',
        288,
        384,
        ('semantic', 'depth', 'normals'),
        classes=NYUD_40,
        focal_px=320.0,
        min_m=0.2,
        max_m=20.0,
        encoder_rate=0.5,
    ),
    'drive_small': CompactConfig(
        'drive_small',
        'mobilenetv4_conv_medium',
        384,
        768,
        widths=(192, 96, 64),
        class_weights=DRIVE_WEIGHTS,
        min_score=0.1,
    ),
    'drive_medium': CompactConfig(
        'drive_medium',
        'mobilenetv4_conv_large',
        512,
        1024,
        widths=(256, 128, 96),
        class_weights=DRIVE_WEIGHTS,
        min_score=0.1,
    ),
    'drive_nano_efficientvit': CompactConfig('drive_nano_efficientvit', 'efficientvit_b0'),
    'drive_nano_prompts': CompactConfig('drive_nano_prompts', decoder='taskprompter'),
    'drive_small_prompts': CompactConfig(
        'drive_small_prompts',
        'repvit_m1_0',
        384,
        768,
        widths=(192, 96, 64),
        decoder='taskprompter',
    ),
    'drive_medium_prompts': CompactConfig(
        'drive_medium_prompts',
        'tiny_vit_11m_224',
        512,
        1024,
        widths=(256, 128, 96),
        attention_heads=4,
        decoder='taskprompter',
        prompt_blocks=3,
    ),
    'drive_small_dense': CompactConfig(
        'drive_small_dense', 'repvit_m1_0', 384, 768, EVERY_TASK, widths=(192, 96, 64)
    ),
    'camvid_lite': CompactConfig(
        'camvid_lite',
        'tf_efficientnet_lite0',
        288,
        384,
        ('semantic',),
        classes=CAMVID,
        data_set='camvid',
    ),
    'test': CompactConfig(
        'test', 'mobilenetv4_conv_small_035', 64, 128, widths=(16, 8, 8), batch=2
    ),
    'test_prompts': CompactConfig(
        'test_prompts',
        'mobilenetv4_conv_small_035',
        64,
        128,
        widths=(16, 8, 8),
        batch=2,
        decoder='taskprompter',
    ),
}
