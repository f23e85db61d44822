"""Files, modules, names and sections that documents and docstrings cite, and whether they exist.

Nothing is imported: modules are read as syntax, so that programs and optional parts count too.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from .commands import ROOT

TREES = 'mtscene_ros|training|benchmarks|test|docs|config|launch|msg|requirements|docker|rviz'
NAMED_PATH = re.compile(rf'(?<![\w/.~$-])((?:{TREES})/[\w./{{}},*-]*[\w}}*/])')
PYTHON_FILE = re.compile(r'(?<![\w/.~$-])([\w/-]*[a-z]\w*\.py)\b')
DIFF_SIDE = re.compile(r'^(---|\+\+\+) [ab]/', re.M)
MODULE = re.compile(r'(?<![\w/.~-])((?:mtscene_ros|training|benchmarks)(?:\.\w+)+)')
SHORT_NAME = re.compile(r'`(\w+(?:\.\w+)+)(?:\(\))?`')
LINK = re.compile(r'\]\((?!https?:|#|mailto:)([^)#\s]+)')
SECTION = re.compile(
    r'(docs/[\w-]+\.md), sections? (\d[\d.]*\d|\d|[A-Z][a-z ]+)(?: (?:and|to) (\d[\d.]*\d|\d))?'
)
FOREIGN = ('rs_launch.py',)  # files of other packages
NEW_FILE = re.compile(r'^`([\w/.]+)`:$', re.M)  # CONTRIBUTING's examples write these
SUFFIXES = ('md', 'onnx', 'py', 'git', 'json', 'yaml')


@cache
def tracked() -> tuple[str, ...]:
    """The files of the repository, those not yet committed included."""
    command = ['git', 'ls-files', '--cached', '--others', '--exclude-standard']
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return tuple(name for name in done.stdout.splitlines() if (ROOT / name).exists())


def documents() -> list[Path]:
    """README and its like, and the pages of docs/."""
    named = ('README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'QUALITY_DECLARATION.md')
    return [*(ROOT / name for name in named), *sorted((ROOT / 'docs').rglob('*.md'))]


def sources() -> list[Path]:
    """The modules of the package and of training."""
    return [ROOT / name for name in tracked() if re.match(r'(mtscene_ros|training)/.*\.py$', name)]


def docstrings(path: Path) -> str:
    """Of the module, its classes and functions, one after the other."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]
    return '\n\n'.join(ast.get_docstring(node) or '' for node in nodes)


def dead_in_document(path: Path) -> list[str]:
    """What a page cites that does not exist."""
    text = DIFF_SIDE.sub('', path.read_text())
    new = [form for file in NEW_FILE.findall(text) for form in (file, _dotted(file))]
    links = [link for link in LINK.findall(text) if not (path.parent / link).exists()]
    return links + [c for c in dead_citations(text) if not any(name.endswith(c) for name in new)]


def dead_citations(text: str) -> list[str]:
    """The paths, Python files, modules and sections in a text that do not exist."""
    one_line = ' '.join(text.split())
    paths = NAMED_PATH.findall(text)
    dead = [path for path in paths if not all(map(_path_exists, _braces(path)))]
    files = [name for name in PYTHON_FILE.findall(text) if name not in (*paths, *FOREIGN)]
    dead += [name for name in files if not _is_end_of_a_path(name)]
    names = [name for name in MODULE.findall(text) if name.rsplit('.')[-1] not in SUFFIXES]
    dead += [name for name in names if not name_exists(name)]
    for page, *wanted in SECTION.findall(one_line):
        dead += [f'{page}, {w}' for w in wanted if w and not _section_exists(page, w)]
    return dead


def dead_short_names(text: str) -> list[str]:
    """Names in backticks such as `letterbox.Letterbox` whose first part is a module of ours."""
    found = []
    for name in SHORT_NAME.findall(text):
        first, rest = name.split('.', 1)
        homes = [_dotted(path) for path in tracked() if _base_name(path) == first]
        if (
            homes
            and rest not in SUFFIXES
            and not any(name_exists(f'{home}.{rest}') for home in homes)
        ):
            found.append(name)
    return found


def name_exists(name: str) -> bool:
    """Whether a module, or a name in one, exists: functions, classes, constants, fields."""
    parts = name.split('.')
    for count in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:count])
        file = path / '__init__.py' if (path / '__init__.py').exists() else path.with_suffix('.py')
        if file.exists():
            return _defines(ast.parse(file.read_text()).body, parts[count:])
        if path.is_dir():
            return count == len(parts)
    return False


def _defines(body: list[ast.stmt], parts: list[str]) -> bool:
    if not parts:
        return True
    for node in body:
        if parts[0] in _names(node):
            inner = node.body if isinstance(node, ast.ClassDef) else []
            return len(parts) == 1 or not inner or _defines(inner, parts[1:])
    return False


def _names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.If):  # TYPE_CHECKING: what a package offers and imports later
        for inner in node.body:
            yield from _names(inner)


def _braces(path: str) -> list[str]:
    found = re.search(r'\{([^}]*)\}', path)
    if not found:
        return [path]
    choices = found[1].split(',')
    return [one for c in choices for one in _braces(path.replace(found[0], c, 1))]


def _path_exists(path: str) -> bool:
    return any(ROOT.glob(path)) if '*' in path else (ROOT / path.rstrip('/.')).exists()


def _is_end_of_a_path(name: str) -> bool:
    is_placeholder = name.endswith('/x.py')  # `tasks/x.py`: whichever task
    return is_placeholder or any(f'/{path}'.endswith(f'/{name}') for path in tracked())


def _dotted(path: str) -> str:
    return path.removesuffix('.py').removesuffix('/__init__').replace('/', '.')


def _base_name(path: str) -> str:
    is_ours = re.match(r'(mtscene_ros|training)/.*\.py$', path)
    return _dotted(path).rsplit('.', 1)[-1] if is_ours else ''


def _section_exists(page: str, wanted: str) -> bool:
    headings = re.findall(r'^#+ (.+)$', (ROOT / page).read_text(), re.M)
    starts = (f'{wanted}. ', f'{wanted} ') if wanted[0].isdigit() else (wanted.strip(),)
    return any(heading.startswith(starts) for heading in headings)
