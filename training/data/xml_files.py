"""Reads XML files of annotation tools, without entities."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from mtscene_ros.datasets.label_files import DataError, read_text

Element = ElementTree.Element


def read_xml(path: Path) -> ElementTree.Element:
    """Returns the root. Raises DataError, also for a file that defines entities: those can grow to
    more than the memory holds."""
    if not path.is_file():
        raise DataError(f'{path} is missing.')
    text = read_text(path)
    if '<!DOCTYPE' in text or '<!ENTITY' in text:
        raise DataError(f'{path} defines a document type, which no annotation tool writes.')
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f'{path} is not XML ({error}).') from None
