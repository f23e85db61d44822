"""Calls that run what a file says, or that leave a race, are in none of our sources."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    *(p for folder in ('mtscene_ros', 'training', 'launch', 'benchmarks', 'docs')
      for p in (ROOT / folder).rglob('*.py')),
    ROOT / 'setup.py',
]  # fmt: skip
NEVER = {
    'eval', 'exec', 'compile', 'os.system', 'os.popen', 'pickle.load', 'pickle.loads',
    'marshal.loads', 'shelve.open', 'yaml.load', 'yaml.unsafe_load', 'yaml.full_load',
    'tempfile.mktemp', 'extractall', 'zipfile.extract', 'np.fromregex', 'joblib.load',
}  # fmt: skip
# Call → keyword that must be given, with its value.
ONLY_WITH = {'np.load': ('allow_pickle', False), 'torch.load': ('weights_only', True)}
MODULES = {'pickle': {'training/weights/checkpoint_store.py'}, 'dill': set(), 'shelve': set()}
# Our own package.xml, the profile that this user's environment names, and annotations, of which
# those that define entities are refused before they are parsed.
XML = {
    'setup.py',
    'mtscene_ros/cli/middleware.py',
    'training/data/xml_files.py',
    'training/data/preannotations.py',  # writes only
}


# The ways to start Python; all others go through the one that leaves the current folder out.
STARTS = {'sys.executable', 'get_context', 'multiprocessing.get_context'}
MAY_START = {
    'mtscene_ros/models/child_process.py',
    'setup.py',  # tells CMake which Python it builds for
    'benchmarks/fastdds_loss.py',  # starts itself by its path
    'benchmarks/message_cost.py',  # the same, with the code of another checkout
    'benchmarks/node_cpu.py',  # starts the node of another checkout, in its folder
}


def name_of(call: ast.Call) -> str:
    """'np.load' of np.load(...), 'extractall' of anything.extractall(...)."""
    text = ast.unparse(call.func)
    return 'extractall' if text.endswith('.extractall') else text


def complaints(source: str, place: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ''] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names]
            found += [n for n in names if n in MODULES and place not in MODULES[n]]
            found += [n for n in names if n.startswith('xml') and place not in XML]
        if isinstance(node, ast.Attribute | ast.Name) and place not in MAY_START:
            found += [ast.unparse(node)] if ast.unparse(node) in STARTS else []
        if isinstance(node, ast.Call):
            name, given = name_of(node), {k.arg: ast.unparse(k.value) for k in node.keywords}
            keyword, value = ONLY_WITH.get(name, ('shell', None))
            found += [name] if name in NEVER else []
            found += [name] if given.get(keyword, 'None') != str(value) else []
    return [f'{place}: {what}' for what in found]


def test_no_source_calls_them() -> None:
    found = [c for p in SOURCES for c in complaints(p.read_text(), p.relative_to(ROOT).as_posix())]
    assert found == []
    assert len(SOURCES) > 150


@pytest.mark.parametrize(
    'line',
    [
        'eval("1")', 'import pickle', 'np.load(p)', 'np.load(p, allow_pickle=True)',
        'torch.load(p)', 'subprocess.run(c, shell=True)', 'yaml.load(t)', 'z.extractall()',
        'from xml.etree import ElementTree', 'run([sys.executable, p])', 'get_context("spawn")',
    ],
)  # fmt: skip
def test_they_would_be_found(line: str) -> None:
    assert complaints(line, 'x.py') != []
