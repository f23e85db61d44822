"""Which parts of TensorRT's Python API we call, and whether a release has them.

    python test/backends/tensorrt_api.py 10.3.0 10.16.0.72 11.4.0.106    # `make trt-bindings`

downloads the bindings wheels of these releases, imports each beside empty stand-ins for the
libraries that only NVIDIA's own index has, and writes test/data/tensorrt_api/VERSION.json: what
exists there of everything that we call, with its signature.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DATA = ROOT / 'test/data/tensorrt_api'
SOURCES = (
    'mtscene_ros/backends/engine_build.py',
    'mtscene_ros/backends/tensorrt.py',
    'mtscene_ros/backends/engine_precision.py',
)
# How our code names objects of which class; a new name has to be entered here.
CLASSES = {
    'builder': 'Builder',
    'network': 'INetworkDefinition',
    'config': 'IBuilderConfig',
    'parser': 'OnnxParser',
    'profile': 'IOptimizationProfile',
    'error': 'ParserError',
    'runtime': 'Runtime',
    'engine': 'ICudaEngine',
    'self._engine': 'ICudaEngine',
    'context': 'IExecutionContext',
    'inspector': 'EngineInspector',
    'runtime_config': 'IRuntimeConfig',
    'jit': 'IRuntimeCache',
    'self._jit': 'IRuntimeCache',
}
# Only where the code asks first (hasattr, is_rtx, major): may be missing elsewhere.
RTX_ALONE = {
    'ICudaEngine.create_runtime_config',
    'ComputeCapability',
    'IBuilderConfig.num_compute_capabilities',
    'IBuilderConfig.set_compute_capability',
    'IExecutionContext.is_stream_capturable',
}
RTX_CLASSES = {'IRuntimeConfig', 'IRuntimeCache'}
OLD_ALONE = {
    'BuilderFlag.FP16',
    'BuilderFlag.INT8',
    'NetworkDefinitionCreationFlag.EXPLICIT_BATCH',
}
NOT_IN_RTX = {'DeviceType.DLA', 'BuilderFlag.GPU_FALLBACK', 'Builder.num_DLA_cores'}


def used_names() -> dict[str, int]:
    """'Class.member' or 'function' → most positional arguments that we pass, -1 = not called."""
    found: dict[str, int] = {}
    for source in SOURCES:
        tree = ast.parse((ROOT / source).read_text())
        calls = {id(n.func): len(n.args) for n in ast.walk(tree) if isinstance(n, ast.Call)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                name = api_name(node)
                if name and '__' not in name:
                    found[name] = max(found.get(name, -1), calls.get(id(node), -1))
    # `trt.A.b` holds `trt.A` as well: only the longest is asked for.
    return {n: c for n, c in found.items() if not any(o.startswith(n + '.') for o in found)}


def api_name(node: ast.Attribute) -> str:
    """trt.Runtime → 'Runtime'; context.set_input_shape → 'IExecutionContext.set_input_shape'."""
    owner = ast.unparse(node.value)
    if owner == 'trt':
        return node.attr
    if owner.startswith('trt.') and owner.count('.') == 1:
        return f'{owner.removeprefix("trt.")}.{node.attr}'
    return f'{CLASSES[owner]}.{node.attr}' if owner in CLASSES else ''


def signatures(trt: Any, names: dict[str, int]) -> dict[str, str]:
    """name → signatures as the bindings document them; absent where it does not exist."""
    found = {}
    for name in names:
        thing = trt
        for part in name.split('.'):
            thing = getattr(thing, part, None)
        if thing is not None:
            text = (thing.__doc__ or '') if not isinstance(thing, type) else thing.__init__.__doc__
            leaf = '__init__' if isinstance(thing, type) else name.split('.')[-1]
            lines = re.findall(rf'^(?:\d+\. )?({leaf}\(.*)$', text or '', re.MULTILINE)
            found[name] = '\n'.join(line for line in lines if '*args' not in line)
    return found


def most_arguments(signature: str) -> int:
    """Positional arguments that the widest overload takes, self apart; 99 where it is untold."""
    counts = []
    for line in signature.splitlines():
        inside = line[line.index('(') + 1 :].split(') ->')[0]
        plain = re.sub(r'\[[^\[\]]*\]', '', re.sub(r'\[[^\[\]]*\]', '', inside))
        plain = re.sub(r'= <[^>]*>', '', plain)
        names = [a for a in plain.split(',') if a.strip()]
        counts.append(sum(not a.strip().startswith('self') for a in names))
    return max(counts, default=99)


def stand_ins(so: Path, folder: Path) -> None:
    """Libraries of the names that the bindings load, with the functions that they look up."""
    tell = ['readelf', '-d', str(so)]
    dynamic = subprocess.run(tell, capture_output=True, text=True, check=True).stdout
    listed = subprocess.run(
        ['nm', '-D', '--undefined-only', str(so)], capture_output=True, text=True, check=True
    ).stdout
    functions = re.findall(r' U (\w*(?:Infer|Nv|PluginRegistry)\w*)', listed)
    source = folder / 'stand_in.c'
    source.write_text('\n'.join(f'void *{f}(void) {{ return 0; }}' for f in functions))
    for name in re.findall(r'\[(libnv\S+)\]', dynamic):
        command = ['gcc', '-shared', '-fPIC', f'-Wl,-soname,{name}', '-o', str(folder / name)]
        subprocess.run([*command, str(source)], check=True)


def dump(version: str) -> None:
    """Downloads one release and writes its file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = f'tensorrt-cu12-bindings=={version}'
        pip = [sys.executable, '-m', 'pip', 'download', '-q', '--no-deps', '-d', name, package]
        subprocess.run(pip, check=True)
        [wheel] = folder.glob('*.whl')
        zipfile.ZipFile(wheel).extractall(folder)
        so = folder / 'tensorrt_bindings/tensorrt.so'
        stand_ins(so, folder)
        folders = [str(so.parent), str(Path(__file__).parent)]
        code = (
            f'import sys, json; sys.path[:0] = {folders!r}\n'
            'import tensorrt, tensorrt_api as api\n'
            'print(json.dumps(api.signatures(tensorrt, api.used_names())))'
        )
        done = subprocess.run(
            [sys.executable, '-c', code],
            env={'LD_LIBRARY_PATH': name},
            capture_output=True,
            text=True,
            check=True,
        )
    DATA.mkdir(parents=True, exist_ok=True)
    text = json.dumps(json.loads(done.stdout), indent=1, sort_keys=True)
    (DATA / f'{version}.json').write_text(text + '\n')


if __name__ == '__main__':
    for wanted in sys.argv[1:]:
        dump(wanted)
