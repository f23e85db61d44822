"""Visual Token Matching (Kim, Kim, Cho, Luo and Hong, Universal Few-shot Learning of Dense
Prediction Tasks with Visual Token Matching, ICLR 2023).

A dense task is a set of channels, each a map of numbers in [0, 1], and a channel is given by a few
labelled images: every patch of a new image attends to all patches of the labelled ones and takes
over the tokens of their labels (section 3), at four depths of the encoder. Module names
are those of the released checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.vit import map_to_tokens, tokens_to_map
from training.networks.vtm_beit import Beit
from training.networks.vtm_dpt import LabelBackbone, LabelEncoder

MATCHING_HEADS = 4
LARGEST_LOGIT = 1e4
PATCH_PX = 16

Memory = list[tuple[Tensor, Tensor]]  # keys and values by level


@dataclass(frozen=True, slots=True)
class VTMConfig:
    """Both encoders are `width` wide and `depth` blocks deep; taps: blocks whose tokens are
    matched; reassembled: channels of the decoder's four levels before they become `features`;
    bias_rows: sets of biases of the image encoder, one for every channel that was learned.
    """

    width: int
    depth: int
    heads: int
    taps: tuple[int, int, int, int]
    size_px: int
    reassembled: tuple[int, int, int, int]
    features: int
    bias_rows: int

    @property
    def grid(self) -> int:
        """Patches along a side."""
        return self.size_px // PATCH_PX


class Matching(nn.Module):
    """Attention from the patches of new images to those of the labelled ones.
    label_width: of label tokens, where it is another than that of image tokens."""

    def __init__(self, width: int, label_width: int | None = None) -> None:
        super().__init__()
        self.width, out = width, label_width or width
        self.pre_ln_q = nn.LayerNorm(width)  # the checkpoints' pre_ln_k is the same one
        self.fc_q = nn.Linear(width, width, bias=False)
        self.fc_k = nn.Linear(width, width, bias=False)
        self.fc_v = nn.Linear(out, out, bias=False)
        self.fc_o = nn.Linear(out, out, bias=False)
        self.ln = nn.LayerNorm(out)
        self.dropout = 0.1

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Image tokens (..., Q, C), what `keys` and `values` give (..., heads, S, C / heads) →
        label tokens (..., Q, C). Leading axes are broadcast: channels that see the same image
        share the attention."""
        query_heads = heads_of(self.fc_q(self.pre_ln_q(query)))
        logits = query_heads @ key.transpose(-2, -1) * self.width**-0.5
        weights = logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT).softmax(-1)
        weights = F.dropout(weights, self.dropout, self.training)
        found = self.ln((weights @ value).transpose(-3, -2).flatten(-2))
        y: Tensor = found + F.gelu(self.fc_o(found))
        return y

    def keys(self, image_tokens: Tensor) -> Tensor:
        """(..., S, C) → (..., heads, S, C / heads)."""
        return heads_of(self.fc_k(self.pre_ln_q(image_tokens)))

    def values(self, label_tokens: Tensor) -> Tensor:
        """(..., S, C) → (..., heads, S, C / heads)."""
        return heads_of(self.fc_v(label_tokens))


def heads_of(tokens: Tensor) -> Tensor:
    """(..., N, C) → (..., heads, N, C / heads)."""
    heads: Tensor = tokens.unflatten(-1, (MATCHING_HEADS, -1)).transpose(-3, -2)
    return heads


class VTMNetwork(nn.Module):
    """Support images with the labels of T channels, and query images → logits of each channel."""

    def __init__(self, config: VTMConfig) -> None:
        super().__init__()
        self.config = config
        shape = config.width, config.depth, config.heads, config.taps, config.grid
        self.image_backbone = within('backbone.beit', Beit(*shape, config.bias_rows))
        label = LabelBackbone(
            LabelEncoder(*shape), config.width, config.reassembled, config.features
        )
        self.label_backbone = within('backbone', label)
        levels = nn.ModuleList(Matching(config.width) for _ in config.taps)
        self.matching_module = within('matching', levels)

    def forward(self, support: Tensor, labels: Tensor, query: Tensor, rows: Tensor) -> Tensor:
        """support (B, T, N, 3, S, S) and query (B, T, M, 3, S, S) in [0, 1], labels (B, T, N, 1,
        S, S) in [0, 1] or -1, rows (B, T) of the biases → logits (B, T, M, 1, S, S)."""
        batch, channels, supports = labels.shape[:3]
        queries = query.shape[2]
        each = rows.flatten()
        seen = self.encode(support.flatten(0, 2), each.repeat_interleave(supports))
        memory = self.memory(seen, labels.flatten(0, 2), supports)
        levels = self.encode(query.flatten(0, 2), each.repeat_interleave(queries))
        grouped = [joined_tokens(maps, queries) for maps in levels]
        steps = zip(self.levels, grouped, memory, strict=True)
        matched = [level(tokens, *known) for level, tokens, known in steps]
        by_image = [tokens.unflatten(1, (queries, -1)).flatten(0, 1) for tokens in matched]
        logits: Tensor = self.decode(by_image).unflatten(0, (batch, channels, queries))
        return logits

    def encode(self, image: Tensor, rows: Tensor | None) -> list[Tensor]:
        """(B, 3, S, S) in [0, 1], rows (B,) of the biases, None for the only one → four maps (B,
        C, g, g)."""
        backbone = self.image_backbone['backbone']
        assert isinstance(backbone, nn.ModuleDict)
        found: list[Tensor] = backbone['beit'](image, rows)
        return found

    def memory(self, maps: list[Tensor], labels: Tensor, supports: int) -> Memory:
        """Encoded support images (G N, C, g, g), N = supports of a group, and the labels of
        every channel (T N, 1, S, S) → keys (G, heads, N g², C / heads) and values (T, ...) by
        level. G is 1 where all channels share the biases of the encoder."""
        tokens = self.label_side.encode(labels)
        return [
            (
                level.keys(joined_tokens(image, supports)),
                level.values(joined_tokens(label, supports)),
            )
            for level, image, label in zip(self.levels, maps, tokens, strict=True)
        ]

    def answer(self, maps: list[Tensor], memory: Memory) -> Tensor:
        """Encoded images (B G, C, g, g), the G encodings of an image in a row → logits of every
        channel (B, T, S, S)."""
        matched = []
        for level, encoded, (key, value) in zip(self.levels, maps, memory, strict=True):
            tokens = map_to_tokens(encoded).unflatten(0, (-1, len(key)))
            matched.append(level(tokens, key, value).flatten(0, 1))
        channels = len(memory[0][1])
        logits: Tensor = self.decode(matched)[:, 0].unflatten(0, (-1, channels))
        return logits

    def decode(self, matched: list[Tensor]) -> Tensor:
        """Label tokens (B, g², C) by level → logits (B, 1, S, S)."""
        grid = (self.config.grid, self.config.grid)
        logits: Tensor = self.label_side.decode([tokens_to_map(t, grid) for t in matched])
        return logits

    @property
    def label_side(self) -> LabelBackbone:
        found = self.label_backbone['backbone']
        assert isinstance(found, LabelBackbone)
        return found

    @property
    def levels(self) -> list[Matching]:
        found = self.matching_module['matching']
        assert isinstance(found, nn.ModuleList)
        return [level for level in found if isinstance(level, Matching)]


def joined_tokens(maps: Tensor, images: int) -> Tensor:
    """(G images, C, h, w) → (G, images h w, C): image by image, row by row."""
    tokens: Tensor = map_to_tokens(maps).unflatten(0, (-1, images)).flatten(1, 2)
    return tokens


def within(names: str, module: nn.Module) -> nn.ModuleDict:
    """The module under a dotted name, so that its entries are named as in the checkpoints."""
    for name in reversed(names.split('.')):
        module = nn.ModuleDict({name: module})
    assert isinstance(module, nn.ModuleDict)
    return module
