"""Adds a self-test to model files that were exported before there was one.

    python -m training.prove mine.onnx
    python -m training.prove mine_int8.onnx --reference mine.onnx

The answers come from ONNX Runtime in float32, so a file in another format needs its float32 source
as the reference. Everything in the file stays as it is; the self-test is appended.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mtscene_ros.models.catalogue import spec_of_file
from mtscene_ros.models.onnx_file import precision_of
from mtscene_ros.terminal import exit_status
from training.graphs.reference import add_self_test, file_answers


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('models', type=Path, nargs='+', metavar='MODEL')
    parser.add_argument('--reference', type=Path, metavar='MODEL', help='the float32 file')
    options = parser.parse_args(arguments)
    for path in options.models:
        reference = options.reference or path
        if (precision := precision_of(reference)) != 'fp32':
            raise ValueError(f'{reference} is {precision}; give its float32 file as --reference.')
        spec = spec_of_file(str(path))
        for agreement in add_self_test(path, spec, file_answers(reference, spec)):
            print(f'{path.name}: {agreement}')
    return 0


if __name__ == '__main__':
    sys.exit(exit_status(main))
