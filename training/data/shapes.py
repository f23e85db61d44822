"""Labelled shapes of an annotation tool as frames; every reader of shapes ends here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from mtscene_ros.camera.images import ImageError, check_size
from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.models.spec import MALFORMED, brief
from mtscene_ros.terminal import plural
from mtscene_ros.types import UNLABELED
from training.data.drawing import DrawOptions, Mask, Size
from training.data.image_search import ImageSearch, rgb_as_annotated
from training.data.manifest_writer import Account, LabelledFrame

Found = tuple[list[str], Iterator[LabelledFrame]]
T = TypeVar('T')
# Kinds that cover no area, as tools call them → how an account names them.
WITHOUT_AREA = {
    'point': 'key point{s}', 'points': 'set{s} of key points', 'skeleton': 'skeleton{s}',
    'line': 'polyline{s}', 'linestrip': 'polyline{s}', 'polyline': 'polyline{s}',
    'cuboid': 'cuboid{s}', 'tag': 'tag{s} of the whole image', 'graph': 'skeleton{s}',
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One region. draw: size of the image → mask; is_box: whether it is only the box around an
    object; reason: why it cannot be drawn, as in Account.left_out."""

    label: str
    draw: Callable[[Size], Mask] | None = None
    is_box: bool = False
    reason: str = ''


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedImage:
    """name: as the annotations call it; size: height and width, None where they do not say."""

    name: str
    size: Size | None
    shapes: list[Shape]
    split: str = ''


def undrawable(kind: str, label: str = '') -> Shape:
    return Shape(label, reason=WITHOUT_AREA.get(kind, 'region{s} of kind ' + str(kind)[:40]))


def drawn_frames(
    source: Path,
    images: list[AnnotatedImage],
    names: list[str] | None,
    options: DrawOptions,
    account: Account,
) -> Found:
    """names: of the file, in the order of their ids, None for those of the shapes in alphabetical
    order. Raises DataError where nothing can be drawn."""
    known = sorted({s.label for i in images for s in i.shapes if s.draw is not None})
    classes = options.classes or (known if names is None else list(dict.fromkeys(names)))
    kept = [
        AnnotatedImage(i.name, i.size, counted_shapes(i, classes, options, account), i.split)
        for i in images
    ]
    if not any(i.shapes for i in kept):
        reasons = '; '.join(account.sentences()) or 'it lists none'
        raise DataError(f'{source} has no region to draw: {reasons.removesuffix(".")}.')
    return classes, frames_of(source, kept, classes, options, account)


def counted_shapes(
    image: AnnotatedImage, classes: list[str], options: DrawOptions, account: Account
) -> list[Shape]:
    """Returns the shapes to be drawn, and counts the others."""
    found = []
    for shape in image.shapes:
        account.regions += 1
        reason = shape.reason
        if not reason and shape.is_box and not options.fill_boxes:
            reason = 'box{es} without a mask (see --fill-boxes)'
        if not reason and shape.label not in classes:
            reason = 'region{s} of another class'
        if reason:
            account.left_out[reason] += 1
        else:
            found.append(shape)
    return found


def frames_of(
    source: Path,
    images: list[AnnotatedImage],
    classes: list[str],
    options: DrawOptions,
    account: Account,
) -> Iterator[LabelledFrame]:
    named = [(image.name, image.size, image) for image in images]

    def paint(image: AnnotatedImage, size: Size) -> NDArray[np.uint8]:
        return painted(image, size, classes, source)

    return found_frames(source, named, paint, options, account)


def found_frames(
    source: Path,
    images: Sequence[tuple[str, Size | None, T]],
    paint: Callable[[T, Size], NDArray[np.uint8]],
    options: DrawOptions,
    account: Account,
) -> Iterator[LabelledFrame]:
    """Yields the images that are there, in their annotators' orientation; says which are not.

    images: name, height and width as annotated, and what `paint` draws. Raises DataError where
    none is there.
    """
    search, missing = ImageSearch(options.images, source), []
    for name, size, what in images:
        path = search.find(name)
        if path is None:
            missing.append(name)
            continue
        rgb = rgb_as_annotated(path, size)
        labels = paint(what, (rgb.shape[0], rgb.shape[1]))
        split = what.split if isinstance(what, AnnotatedImage) else ''
        yield LabelledFrame(search.name_of(path), rgb, labels=labels, split=split)
    if missing:
        say_missing(missing, len(images), source, options.images, account)


def say_missing(
    missing: list[str], count: int, source: Path, folder: Path, account: Account
) -> None:
    """Raises DataError where every image is missing."""
    example = f'{folder}, such as {missing[0][:80]!r}'
    if len(missing) == count:
        raise DataError(f'None of the images of {source} is in {example}; give --images.')
    verb = 'is' if len(missing) == 1 else 'are'
    account.remark(
        f'{len(missing)} of {plural(count, "image")} of {source} {verb} not in {example}: left '
        'out.'
    )


def painted(
    image: AnnotatedImage, size: Size, classes: list[str], source: Path
) -> NDArray[np.uint8]:
    """Returns (H, W) ids; later shapes cover earlier ones. Raises DataError."""
    labels = np.full(size, UNLABELED, np.uint8)
    for shape in image.shapes:
        assert shape.draw is not None
        try:
            labels[shape.draw(size)] = classes.index(shape.label)
        except (cv2.error, *MALFORMED) as error:
            raise DataError(f'{source}, {image.name[:80]}: {brief(error)}.') from None
    return labels


def checked_size(width: object, height: object) -> Size:
    """Returns height and width. Raises ImageError or TypeError if they are implausible."""
    size = int(float(str(height))), int(float(str(width)))
    check_size(size[1], size[0])
    return size


def placed(mask: NDArray[np.bool_], left: int, top: int, size: Size) -> Mask:
    """Puts the mask of a part into an image; what lies outside is cut off."""
    out = np.zeros(size, bool)
    height, width = mask.shape
    rows, columns = slice(max(top, 0), top + height), slice(max(left, 0), left + width)
    inner = mask[max(-top, 0) :, max(-left, 0) :]
    part = out[rows, columns]
    part[:] = inner[: part.shape[0], : part.shape[1]]
    return out


def decoded_png(data: bytes) -> NDArray[np.uint8]:
    """Returns an image in a string. Raises ImageError."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if found is None:
        raise ImageError('a mask is not a PNG')
    return np.asarray(found, np.uint8)
