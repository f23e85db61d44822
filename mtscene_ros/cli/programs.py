"""`mtscene train`, `adapt`, `export` and `data`: the programs of the training code.

They need torch and the checkout's folder `training`, which robots do not have; this package never
imports them by name.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys

from mtscene_ros.terminal import exit_status

# Verb, and what follows it → module, what it does.
PROGRAMS: dict[str, tuple[str, str]] = {
    'train': ('training.train', 'train a named network on a data set'),
    'adapt': ('training.adapt', 'teach a trained network your classes or tasks'),
    'teach': ('training.teach', 'make a model file of a few labelled frames, without training'),
    'tune': ('training.tune', 'fine-tune for such a task what teach leaves as it is'),
    'export': ('training.export', 'write a checkpoint as a model file'),
    'wrap': ('training.wrap', 'make a model file of an ONNX file that others have exported'),
    'label': ('training.label', 'label a recording by models, where they agree'),
    'mine': ('training.mine', 'pick the frames of a recording that are worth labelling by hand'),
    'data convert': (
        'training.data.to_manifest',
        'convert annotations of other tools, bags, KITTI',
    ),
    'data check': ('training.check_data', 'look a data set over: counts, warnings, a page'),
    'data merge': ('training.data.merge_manifests', 'join manifests, classes by name'),
    'data worlds': ('training.data.worlds', 'render generated scenes'),
}
WITHOUT_TORCH = (
    'training.data.to_manifest',
    'training.check_data',
    'training.data.merge_manifests',
    'training.wrap',
    'training.label',
    'training.mine',
)
INSTALL = 'clone the repository, run `pip install -r requirements/test.txt` and start it there'


def is_program(word: str) -> bool:
    return word in {name.partition(' ')[0] for name in PROGRAMS}


def overview() -> str:
    width = max(map(len, PROGRAMS))
    return '\n'.join(f'  {name:{width}s}  {what}' for name, (_, what) in PROGRAMS.items())


def run_program(words: list[str]) -> int:
    """Runs the program of a verb with the words after it. Returns its exit status."""
    name = words[0]
    if name not in PROGRAMS:
        name = ' '.join(words[:2])
    if name not in PROGRAMS:
        known = ', '.join(n for n in PROGRAMS if n.startswith(f'{words[0]} '))
        print(f'mtscene {words[0]}: choose one of {known}.\n\n{overview()}', file=sys.stderr)
        return 0 if words[1:2] in (['-h'], ['--help']) else 2
    module = PROGRAMS[name][0]
    missing = missing_for(module)
    if missing:
        print(f'mtscene {name} needs {missing}: {INSTALL}.', file=sys.stderr)
        return 2
    sys.argv = [f'mtscene {name}', *words[len(name.split()) :]]
    program = importlib.import_module(module)
    return exit_status(lambda: program.main(sys.argv[1:]))


def missing_for(module: str) -> str:
    """Returns what a program needs and is not there, '' if nothing."""
    if importlib.util.find_spec('training') is None:
        return 'the training code, which this installation lacks'
    if module not in WITHOUT_TORCH and importlib.util.find_spec('torch') is None:
        return 'torch'
    return ''
