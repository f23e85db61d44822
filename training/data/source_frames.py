"""Frames of pictures, videos and recordings for programs that read them to the end."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from mtscene_ros.camera.images import ImageError
from mtscene_ros.estimator import SceneModel, open_model
from mtscene_ros.recordings.image_sources import SourceError, chosen, sources_of
from mtscene_ros.terminal import Bar, plural
from mtscene_ros.types import CameraFrame


@dataclass(slots=True)
class SourceAccount:
    """unreadable: images that could not be decoded; remarks: sentences of the readers."""

    unreadable: int = 0
    remarks: list[str] = field(default_factory=list)

    def remark(self, sentence: str) -> None:
        if sentence not in self.remarks:
            self.remarks.append(sentence)

    def sentences(self) -> list[str]:
        if not self.unreadable:
            return self.remarks
        return [*self.remarks, f'{plural(self.unreadable, "image")} could not be read.']


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Adds what programs take that look at recordings with models and write a folder."""
    parser.add_argument('sources', nargs='+', metavar='SOURCE', help='as `mtscene predict` takes')
    parser.add_argument('--model', nargs='+', required=True, help='files or names')
    parser.add_argument('-o', '--output', type=Path, required=True, help='a new folder')
    parser.add_argument('--every', type=int, default=1, metavar='N', help='each n-th image')
    parser.add_argument('--topic', default='', help='image topic of a recording')
    parser.add_argument('--threads', type=int, default=0)


def check_source_options(options: argparse.Namespace) -> None:
    """Raises ValueError for a step below 1 and for a folder that holds something."""
    if options.every < 1:
        raise ValueError(f'--every is {options.every}; 1 takes every image.')
    if options.output.exists() and any(options.output.iterdir()):
        raise ValueError(f'{options.output} is not empty; name a new folder by -o.')


def opened_models(options: argparse.Namespace, stack: ExitStack) -> list[SceneModel]:
    """Opens the models that the options name; the stack closes them."""
    return [
        stack.enter_context(open_model(name, threads=options.threads)) for name in options.model
    ]


def source_frames(options: argparse.Namespace, account: SourceAccount) -> Iterator[CameraFrame]:
    """Yields each n-th image of the sources; the field `camera` holds a name of its own.

    options: sources, topic and every of the command line. Images that cannot be read are counted.
    Raises SourceError.
    """
    names: set[str] = set()
    for source in sources_of(options.sources, options.topic):
        if source.total is None:
            raise SourceError(f'{source.name} has no end; record it and name the recording.')
        with (
            closing(source.images(account.remark)) as images,
            Bar('image', -(-source.total // options.every)) as bar,
        ):
            for image in chosen(images, options.every, 0.0, None):
                bar.step()
                try:
                    frame = image.read()
                except ImageError:
                    account.unreadable += 1
                    continue
                yield replace(frame, camera=own_name(image.name, names))


def own_name(name: str, taken: set[str]) -> str:
    """Returns the name, numbered where another source has it, and remembers it."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f'{name}_{number}'
    taken.add(found)
    return found
