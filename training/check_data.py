"""Checks a data set before training starts.

    python -m training.check_data manifest my_frames.yaml -o page.html
    python -m training.check_data nyud NYUDv2 --split val

Reads every frame of every split, or of one. The exit status is 1 if it finds a file that cannot be
read, an id that the class table lacks, a box that does not re-project into its image, or no
labels; 2 if the data set itself cannot be read. -o writes the counts and ten frames with their
labels as one page.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from mtscene_ros.datasets.label_files import DataError
from mtscene_ros.models.atomic_file import write_text
from mtscene_ros.terminal import counted, exit_status
from training.data import DATASETS, DataSet, manifest_samples
from training.data.data_counts import DataCounts, count_frame, report, without_labels
from training.data.data_page import ShownSamples, data_page

SPLITS = ('train', 'val', 'test', 'all')  # tried where the data set does not list its splits


def check(data_set: DataSet, folder: Path, names: list[str]) -> tuple[DataCounts, ShownSamples]:
    """Counts the frames; one that cannot be read becomes a complaint."""
    data_counts, shown = DataCounts(), ShownSamples(len(names))
    for number, name in enumerate(counted(names, 'frame', len(names))):
        try:
            sample = data_set.read(folder, name)
            count_frame(sample, name, data_counts)
            shown.add(number, name, sample)
        except DataError as error:
            data_counts.complaints.append(f'{name}: {error}')
    return data_counts, shown


def splits_of(data_set: DataSet, folder: Path) -> dict[str, list[str]]:
    """Returns split → names of its frames. Raises DataError if there are none."""
    if data_set is manifest_samples:
        return {s: manifest_samples.names(folder, s) for s in manifest_samples.splits(folder)}
    found: dict[str, list[str]] = {}
    for split in SPLITS:
        try:
            names = data_set.names(folder, split)
        except DataError as error:
            last = error
            continue
        if names not in found.values() and not (split == 'all' and found):
            found[split] = names
    if not found:
        raise last
    return found


def options_from(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('data_set', choices=sorted(DATASETS))
    parser.add_argument('folder', type=Path, help="the data set's root, or the manifest")
    parser.add_argument('--split', help='only this one')
    parser.add_argument('--json', type=Path, help='write complaints and counts to this file')
    parser.add_argument('-o', '--output', type=Path, help='write an HTML page to this file')
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = options_from(arguments)
    data_set = DATASETS[options.data_set]
    try:
        tables = data_set.tables(options.folder)
        splits = (
            {options.split: data_set.names(options.folder, options.split)}
            if options.split
            else splits_of(data_set, options.folder)
        )
    except DataError as error:
        print(error, file=sys.stderr)
        return 2
    print('splits: ' + ', '.join(f'{name} {len(names)}' for name, names in splits.items()))
    names = list(dict.fromkeys(name for each in splits.values() for name in each))
    data_counts, shown = check(data_set, options.folder, names)
    data_counts.complaints += without_labels(data_counts, tables)
    text = report(data_counts, tables)
    print(text)
    if options.json:
        found = {'frames': dict(data_counts.frames), 'complaints': data_counts.complaints}
        write_text(options.json, json.dumps(found, indent=2) + '\n')
    if options.output:
        write_text(options.output, data_page(str(options.folder), text, shown, tables))
    return 1 if data_counts.complaints else 0


if __name__ == '__main__':
    sys.exit(exit_status(main))
