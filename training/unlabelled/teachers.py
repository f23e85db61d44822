"""Labels the frames of recordings by the mean of several teachers, and writes one file a frame.

Teachers are the network itself, averaged over several views, and optionally a street network
(`training/networks/espnetv2.py`). Depth, and with it the distance of boxes, is taught only where
the camera's mounting is known: a network that is wrong about the mounting is wrong about every
depth (`training/unlabelled/mounting.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.terminal import plural
from training.config import CompactConfig
from training.graphs.own_images import frames_of
from training.networks.espnetv2 import EspNetV2
from training.unlabelled.mounting import corrected_recording
from training.unlabelled.pseudo_labels import sample_of, write_labels
from training.unlabelled.views import Opinion, opinion, reduced, street_opinion
from training.weights.checkpoint_store import CheckpointError, read_file

STREET_SHARE = 0.55  # weight of the street teacher in the mean of both
NO_RIGHTS = re.compile(r'rights\W+unknown', re.IGNORECASE)
TERMS = 'SOURCE.txt'
Mounted = Mapping[str, tuple[float, float | None]]


@dataclass(frozen=True, slots=True, eq=False)
class Teachers:
    """network: a compact network with its configuration; street: the street network or None; both
    in evaluation mode. mounted: a recording's name → its camera's height above the road in metres
    and the row of the horizon over the image's height, None where unknown."""

    network: nn.Module
    config: CompactConfig
    street: nn.Module | None
    mounted: Mounted


def check_rights(recording: Path) -> None:
    """Raises DataError for a folder whose SOURCE.txt says that the rights are unknown."""
    terms = recording / TERMS
    if terms.is_file() and NO_RIGHTS.search(terms.read_text()):
        raise DataError(
            f'{terms} says that the rights are unknown; leave the folder out, because a model '
            'that is passed on may not learn from it.'
        )


def names_of(recordings: Sequence[Path]) -> list[str]:
    """Names the recordings for the label files. Raises ValueError for two of one name."""
    names = [path.stem if path.is_file() else path.resolve().name for path in recordings]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(
            f'Two recordings are called {min(twice)!r}; rename one, because their labels share '
            'a folder.'
        )
    return names


def label_recordings(
    teachers: Teachers, recordings: Sequence[Path], frames: int, out: Path
) -> list[Path]:
    """Labels up to `frames` frames of each recording, evenly spread, and skips recordings that
    were labelled before. Returns the label files. Raises DataError and ValueError."""
    names = names_of(recordings)
    unknown = set(teachers.mounted) - set(names)
    if unknown:
        raise ValueError(
            f'--mounting names {min(unknown)!r}, but the recordings are {", ".join(names)}.'
        )
    for recording in recordings:
        check_rights(recording)
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for recording, name in zip(recordings, names, strict=True):
        images = [reduced(frame.rgb) for frame in frames_of(recording, frames)]
        paths = [out / f'{name}_{k:05d}.npz' for k in range(len(images))]
        if not all(path.exists() for path in paths):
            label_images(teachers, images, name, paths)
        files += paths
        print(f'{name}: {plural(len(images), "frame")} labelled', flush=True)
    return files


def label_images(
    teachers: Teachers, images: list[NDArray[np.uint8]], name: str, paths: list[Path]
) -> None:
    own = [opinion(teachers.network, teachers.config, rgb) for rgb in images]
    if name in teachers.mounted:
        own, seen = corrected_recording(own, images, *teachers.mounted[name])
        print(f'{name}: the camera seems to be {seen.height_m:.2f} m above the road', flush=True)
    else:
        own = [without_depth(found) for found in own]
        print(f'{name}: no --mounting given, so its frames teach no depth', flush=True)
    for path, rgb, found in zip(paths, images, own, strict=True):
        opinions, weights = [found], [1.0]
        if teachers.street is not None:
            opinions.append(street_opinion(teachers.street, rgb))
            weights = [1 - STREET_SHARE, STREET_SHARE]
        write_labels(sample_of(rgb, opinions, weights), path)


def without_depth(found: Opinion) -> Opinion:
    assert found.log_depth is not None
    return replace(found, log_depth=np.full_like(found.log_depth, np.nan))


def street_teacher(path: Path) -> EspNetV2:
    """Builds the street network with its published weights, in evaluation mode. Raises
    CheckpointError."""
    network = EspNetV2()
    try:
        network.load_state_dict(read_file(path))
    except (RuntimeError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f'{path} does not hold the weights of EspNetV2 ({str(error).splitlines()[0]}); give '
            'espnetv2_s_2.0_city_1024x512.pth.'
        ) from None
    return network.eval().requires_grad_(False)
