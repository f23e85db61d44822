"""Builds engines in a subprocess, which may crash and can be cancelled at any step."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

from mtscene_ros.backends.engine_build import (
    BuildSettings,
    EngineCancelledError,
    EngineError,
    Progress,
)
from mtscene_ros.backends.engine_cache import onnx_sha256_of
from mtscene_ros.models.child_process import module_command


def build_in_subprocess(
    onnx_path: Path,
    module: str,
    settings: BuildSettings,
    progress: Progress | None = None,
    gpu_id: int = 0,
    onnx_sha256: str = '',
) -> bytes:
    """Builds an engine in a subprocess and returns it serialized.

    onnx_sha256: what the file must still be afterwards, '' for anything. Raises EngineError, and
    EngineCancelledError when `progress` returns False, which ends the build within a step.
    """
    try:
        with (
            tempfile.TemporaryFile() as plan_file
        ):  # it has no name, so that a SIGKILL leaves nothing behind
            run_builder(onnx_path, plan_file.fileno(), module, settings, progress, gpu_id)
            plan_file.seek(0)
            plan = plan_file.read()
        if onnx_sha256 and onnx_sha256_of(onnx_path) != onnx_sha256:
            raise EngineError(f'{onnx_path} was replaced while its engine was built; start again.')
        return plan
    except OSError as error:
        raise EngineError(
            f'No engine could be built from {onnx_path} ({error}); the build needs room in '
            f'{tempfile.gettempdir()}: free some, or set TMPDIR.'
        ) from error


def run_builder(
    onnx_path: Path,
    out_fd: int,
    module: str,
    settings: BuildSettings,
    progress: Progress | None,
    gpu_id: int,
) -> None:
    out = f'/dev/fd/{out_fd}'
    command = module_command('mtscene_ros.backends.engine_build', str(onnx_path), out)
    command += ['--module', module, '--progress']
    command += ['--target', settings.target, '--max-batch', str(settings.max_batch)]
    command += ['--dla-core', str(settings.dla_core)]
    command += [] if settings.half else ['--no-half']
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=(out_fd,),
        env={**os.environ, 'CUDA_VISIBLE_DEVICES': visible_gpu(gpu_id)},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            # TensorRT's own log uses the same stream.
            step = json.loads(line) if line.startswith('{') else {}
            if 'phase' in step and progress and not progress(step['phase'], step['share']):
                process.kill()
                raise EngineCancelledError('The build was cancelled.')
        assert process.stderr is not None
        lines = process.stderr.read().strip().splitlines()
    if process.returncode:
        last = lines[-1] if lines else f'the builder ended with {process.returncode}'
        raise EngineError(f'No engine could be built from {onnx_path}: {last}')


def visible_gpu(gpu_id: int) -> str:
    """Returns the CUDA_VISIBLE_DEVICES under which the GPU is the builder's first one."""
    visible = os.environ.get('CUDA_VISIBLE_DEVICES', '')
    listed = visible.split(',') if visible else []
    return listed[gpu_id] if gpu_id < len(listed) else str(gpu_id)
