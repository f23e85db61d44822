"""An engine proves itself: it answers the self-test of its model file before anybody uses it.

Wrong numbers come from damaged weights, and from runtimes that miscompile a graph, which nobody
notices otherwise. What a verdict about a cached engine was is kept in the engine's sidecar, so
that a refused one is not run again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtscene_ros.models import atomic_file
from mtscene_ros.models.onnx_file import metadata_of, precision_of
from mtscene_ros.models.self_test import (
    SELF_TEST_KEY,
    Agreement,
    SelfTest,
    self_test_from_json,
)
from mtscene_ros.models.spec import MALFORMED

Infer = Callable[[NDArray[np.uint8], Collection[str]], dict[str, NDArray[Any]]]
VERDICT = 'self_test'  # entry of a sidecar
NO_TEST = 'no self-test in the file'


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the self-test has shown; failed: the numbers beyond their bounds, '' for none; passed:
    a few words for the log."""

    failed: str
    passed: str


def verdict_of(model_path: Path, infer: Infer, precision: str, sidecar: Path | None) -> Verdict:
    """Returns the verdict that the sidecar keeps, or runs the self-test and keeps its verdict.

    infer, precision: of the opened backend. Raises what `infer` raises, and ValueError for an
    unreadable self-test.
    """
    test = stored_test(model_path)
    if test is None:
        return Verdict('', NO_TEST)
    kept = kept_verdict(sidecar)
    if kept is not None:
        return kept
    found = judged(test, infer, precision)
    verdict = Verdict(
        '; '.join(str(agreement) for agreement in found if not agreement.passes),
        f'self-test passed ({len(found)} outputs)',
    )
    if sidecar is not None:
        keep(sidecar, verdict)
    return verdict


def stored_test(model_path: Path) -> SelfTest | None:
    """Returns the self-test in a model file, None for a file without one. Raises ValueError with
    one sentence for an unreadable one."""
    text = metadata_of(model_path).get(SELF_TEST_KEY)
    return None if text is None else self_test_from_json(text, str(model_path))


def is_coarser(model_path: Path, precision: str, sidecar: Path | None) -> bool:
    """Returns whether a runtime computes in another format than the file's and nobody has tested
    it yet; False without a self-test."""
    return (
        SELF_TEST_KEY in metadata_of(model_path)
        and kept_verdict(sidecar) is None
        and precision != precision_of(model_path)  # looks at every weight
    )


def judged(test: SelfTest, infer: Infer, precision: str) -> list[Agreement]:
    """Runs the reference image and compares every answer."""
    outputs = infer(test.rgb[None], [answer.tensor for answer in test.answers])
    with np.errstate(all='ignore'):  # infinite and NaN outputs fail, as they must
        return test.compared(outputs, precision)


def kept_verdict(sidecar: Path | None) -> Verdict | None:
    """Returns the verdict in a sidecar, None where there is none."""
    try:
        return Verdict(**json.loads(sidecar.read_text())[VERDICT]) if sidecar else None
    except (OSError, *MALFORMED):
        return None


def keep(sidecar: Path, verdict: Verdict) -> None:
    """Adds the verdict to an existing sidecar; without one, the next start tests again."""
    try:
        about = json.loads(sidecar.read_text())
        about[VERDICT] = asdict(verdict)
        mode = sidecar.stat().st_mode & 0o777
        atomic_file.write_bytes(sidecar, json.dumps(about, indent=1).encode(), mode)
    except (OSError, *MALFORMED):
        return
