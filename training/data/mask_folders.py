"""A folder of images and one of masks with the same names: ids, or colours with a table.

TABLE is a text file with a class per line: "64 128 64 Animal", "Animal:64,128,64::" (CVAT's
labelmap.txt) or "7 road" for ids. Masks may be called NAME_mask, NAME_gt and the like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.datasets.label_files import DataError, folder_of, read_indices, read_text
from mtscene_ros.terminal import plural
from mtscene_ros.types import UNLABELED
from training.data.drawing import DrawOptions
from training.data.image_search import SUFFIXES, rgb_as_annotated
from training.data.manifest_writer import Account, LabelledFrame
from training.data.shapes import Found

ENDINGS = re.compile(
    r'[-_.]?(mask|masks|label|labels|labelids|labeltrainids|gt|gtfine|seg|segmentation|annot)$',
    re.I,
)
VOID = ('unknown', 'void', 'unlabeled', 'unlabelled', 'ignore')  # these classes stay unknown
Key = int | tuple[int, int, int]  # an id, or red, green and blue


def mask_frames(source: Path, options: DrawOptions, account: Account) -> Found:
    """source: the folder of masks. Raises DataError."""
    folder_of(source, 'the masks')
    table = read_table(options.table) if options.table else {}
    names = options.classes or [n for n in dict.fromkeys(table.values()) if n.lower() not in VOID]
    if not names:
        raise DataError(f'The ids in {source} have no names; give --classes or --table FILE.')
    masks = masks_in(source)
    images = [p for p in sorted(options.images.rglob('*')) if p.suffix.lower() in SUFFIXES]
    images = [p for p in images if not p.is_relative_to(source) or source == options.images]
    pairs = [(p, masks.get(key_of(p, options.images))) for p in images]
    found = [(image, mask) for image, mask in pairs if mask is not None and mask != image]
    if not found:
        raise DataError(f'No image of {options.images} has a mask of its name in {source}.')
    bare = len([p for p in images if p not in masks.values()]) - len(found)
    if bare:
        account.remark(f'{plural(bare, "image")} without a mask of the same name left out.')
    return names, frames_of(found, names, table, options, account)


def masks_in(folder: Path) -> dict[str, Path]:
    """Returns name without ending and suffix → mask. Raises DataError for two of one name."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob('*.png')):
        key = key_of(path, folder)
        if key in found and ENDINGS.search(path.stem):
            raise DataError(f'{found[key]} and {path} are both masks of {key}; keep one kind.')
        found[key] = path
    return found


def key_of(path: Path, folder: Path) -> str:
    inner = path.relative_to(folder).with_suffix('')
    return (inner.parent / (ENDINGS.sub('', inner.name) or inner.name)).as_posix()


def frames_of(
    pairs: list[tuple[Path, Path]],
    names: list[str],
    table: dict[Key, str],
    options: DrawOptions,
    account: Account,
) -> Iterator[LabelledFrame]:
    strange: dict[Key, int] = {}
    for image, path in pairs:
        mask = read_indices(path)
        labels = ids_of(mask, names, table, strange, path, account)
        rgb = rgb_as_annotated(image, (mask.shape[0], mask.shape[1]))
        inner = image.relative_to(options.images).with_suffix('')
        yield LabelledFrame('_'.join(inner.parts), rgb, labels=labels)
    if strange:
        most = max(strange, key=lambda key: strange[key])
        pixels, kind = sum(strange.values()), 'colour' if isinstance(most, tuple) else 'id'
        account.remark(
            f'{plural(pixels, "pixel")} of {plural(len(strange), kind)} without a name stay '
            f'unknown; the most frequent is {most}.'
        )


def ids_of(
    mask: NDArray[np.uint8],
    names: list[str],
    table: dict[Key, str],
    strange: dict[Key, int],
    path: Path,
    account: Account,
) -> NDArray[np.uint8]:
    """Returns (H, W) places in `names`, and counts the pixels of other keys in `strange`. Raises
    DataError."""
    if mask.ndim == 3 and not any(isinstance(key, tuple) for key in table):
        raise DataError(f'{path} holds colours; give their classes with --table FILE.')
    if mask.ndim == 2 and table and all(isinstance(key, tuple) for key in table):
        mask = np.repeat(mask[..., None], 3, 2)  # grey colours
    codes = mask.astype(np.int64)
    if mask.ndim == 3:
        codes = codes[..., 2] << 16 | codes[..., 1] << 8 | codes[..., 0]  # OpenCV: blue first
    keys, places, counts = np.unique(codes, return_inverse=True, return_counts=True)
    lookup = np.full(len(keys), UNLABELED, np.uint8)
    known: dict[Key, str] = dict(table or enumerate(names))
    values = keys.tolist()
    if not table and mask.ndim == 2 and set(values) == {0, 255} and len(names) <= 2:
        account.remark(two_values(names))
        known = dict([(255, names[-1]), (0, names[0])][: len(names)])
    for k, code in enumerate(values):
        key: Key = (code >> 16, code >> 8 & 255, code & 255) if mask.ndim == 3 else code
        name = known.get(key)
        if name in names:
            lookup[k] = names.index(name)
        elif name is None and key != UNLABELED:
            strange[key] = strange.get(key, 0) + int(counts[k])
    return lookup[places.reshape(mask.shape[:2])]


def two_values(names: list[str]) -> str:
    if len(names) == 1:
        return f'The masks hold 0 and 255: 255 is {names[0]}, and 0 stays unknown.'
    return f'The masks hold 0 and 255: 0 is {names[0]}, 255 is {names[1]}.'


def read_table(path: Path) -> dict[Key, str]:
    """Returns id or colour → name. Raises DataError."""
    found: dict[Key, str] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip() or line.startswith('#'):
            continue
        key, name = parsed(line)
        if key is None or not name:
            raise DataError(
                f'{path}, line {number} is not "R G B NAME", "NAME:R,G,B" or "ID NAME": '
                f'{line[:60]!r}.'
            )
        found[key] = name
    if not found:
        raise DataError(f'{path} names no classes.')
    return found


def parsed(line: str) -> tuple[Key | None, str]:
    text = line.strip()
    if match := re.fullmatch(r'([^:]+):\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*(:.*)?', text):
        return (int(match[2]), int(match[3]), int(match[4])), match[1].strip()
    if match := re.fullmatch(r'(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,]+(.+)', text):
        return (int(match[1]), int(match[2]), int(match[3])), match[4].strip()
    if match := re.fullmatch(r'(\d+)\s*[:,\s]\s*(.+)', text):
        return int(match[1]), match[2].strip()
    return None, ''
