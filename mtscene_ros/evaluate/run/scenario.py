"""Reads scenario.yaml: what to evaluate, how, and when it passes.

bags: [drives/*.mcap, night]     # files, folders, patterns; relative to this file
model: model.onnx                # this and all other fields of EvaluateOptions are allowed
truth: topics                    # or a manifest of files, relative to this file
pass:                            # all of them must hold
  - semantic.miou >= 60
  - depth.abs_rel < 0.12
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mtscene_ros.evaluate.conditions import Condition, hint, parsed
from mtscene_ros.evaluate.options import EvaluateOptions
from mtscene_ros.models.limits import LimitError, text_of

OPTIONS: dict[str, Any] = {field.name: field.default for field in fields(EvaluateOptions)}
KEYS = ('bags', 'pass', *OPTIONS)
PATHS = ('model', 'truth')
TRUTH_IN_TOPICS = 'topics'


class ScenarioError(ValueError):
    """The file cannot be used; the message is one sentence that names the value and the fix."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario; bags: absolute, or relative to the working directory; all criteria must
    hold."""

    bags: tuple[Path, ...]
    options: EvaluateOptions
    criteria: tuple[Condition, ...] = ()


def read_scenario(path: Path) -> Scenario:
    """Reads a scenario. Raises ConditionError, and ScenarioError, which suggests the nearest key
    for a misspelt one."""
    found = _mapping(path)
    for key in found:
        if key not in KEYS:
            raise ScenarioError(f'{path}: a scenario has no key {key!r}; {hint(str(key), KEYS)}')
    patterns = _texts(path, found, 'bags')
    if not patterns:
        raise ScenarioError(f'{path} names no bags; list at least one under the key bags.')
    return Scenario(
        bags=tuple(bag for pattern in patterns for bag in _bags(path, pattern)),
        options=EvaluateOptions(**{k: _option(path, k, found[k]) for k in OPTIONS if k in found}),
        criteria=tuple(parsed(text) for text in _texts(path, found, 'pass')),
    )


def _mapping(path: Path) -> dict[Any, Any]:
    try:
        import yaml
    except ImportError:
        raise ScenarioError('Reading a scenario needs PyYAML; run `pip install PyYAML`.') from None
    try:
        found = yaml.safe_load(text_of(path))
    except FileNotFoundError:
        raise ScenarioError(f'Scenario {str(path)!r} does not exist; check the path.') from None
    except RecursionError:
        raise ScenarioError(f'{path} is nested too deeply for a scenario.') from None
    except LimitError:
        raise
    except (yaml.YAMLError, ValueError) as error:
        raise ScenarioError(f'{path} is not YAML ({" ".join(str(error).split())}).') from None
    if not isinstance(found, dict):
        raise ScenarioError(
            f'{path} is a {type(found).__name__}; a scenario starts with the key bags.'
        )
    return found


def _option(path: Path, key: str, value: Any) -> Any:
    """Converts a value for EvaluateOptions. Raises ScenarioError for one of another type."""
    default = OPTIONS[key]
    if key == 'input_is_rectified':
        if value != 'auto' and not isinstance(value, bool):
            raise ScenarioError(f'{path}: {key} is {value!r}; it must be auto, true or false.')
        return None if value == 'auto' else value
    if isinstance(default, tuple):
        if isinstance(value, Mapping):
            return tuple((str(name), str(topic)) for name, topic in value.items())
        return tuple(_texts(path, {key: value}, key))
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        raise ScenarioError(
            f'{path}: {key} is {value!r}; its type must be {type(default).__name__}, such as '
            f'{default!r}.'
        )
    if key in PATHS and value not in ('', TRUTH_IN_TOPICS):
        return str(path.parent / value)
    return value


def _texts(path: Path, found: Mapping[Any, Any], key: str) -> list[str]:
    value = found.get(key) or []
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ScenarioError(f'{path}: {key} is {value!r}; write a list of texts.')
    return texts


def _bags(path: Path, pattern: str) -> list[Path]:
    """Returns the sorted paths of a pattern.

    Without wildcards it is the path itself, which may be missing; then that bag is reported as
    failed.
    """
    if not any(sign in pattern for sign in '*?['):
        return [path.parent / pattern]
    whole = Path(pattern)
    base = Path(whole.anchor) if whole.is_absolute() else path.parent
    bags = sorted(base.glob(str(whole.relative_to(whole.anchor))))
    if not bags:
        raise ScenarioError(f'{path}: no file matches {pattern!r}; it is relative to {base}.')
    return bags
