"""Docstrings as Sphinx wants them: parameters, results and errors as lists, with their types.

The package writes them as prose: `name: meaning; name: meaning` for parameters, `input → result`
for what comes out, `Raises SomeError where ...`. Sections of the Google style stay as they are.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

SECTIONS = ('Args:', 'Returns:', 'Raises:', 'Yields:', 'Attributes:')
PARAGRAPHS = re.compile(r'\n\s*\n')
RAISES = re.compile(r'Raises (\w*(?:Error|Interrupt|Exit)\b[^.]*)\.(?=\s|$)')
ERROR = re.compile(r'(?:, |and |or )*(\w*(?:Error|Interrupt|Exit)\b)')
RESULT = re.compile(r'(?:→|^Returns) (.+?)(?:[.;:] |[.:;]?$)')
SPECIAL = re.compile(r'[*|]|(?<=\w)_(?=\W|$)')


def on_docstring(
    app: Any, what: str, name: str, found: object, options: Any, lines: list[str]
) -> None:
    """Sphinx's event autodoc-process-docstring: changes the lines in place."""
    text = '\n'.join(lines).strip('\n')
    lines[:] = as_fields(text, types_of(found, what)).split('\n')


def types_of(found: object, what: str) -> dict[str, str]:
    """Parameter or field → its type as the source has it; 'return' for the result."""
    if what == 'class' and dataclasses.is_dataclass(found):
        fields = dataclasses.fields(found)
        return {f.name: str(f.type) for f in fields if not f.name.startswith('_')}
    owner = getattr(found, '__init__', None) if what == 'class' else found
    if what not in ('class', 'function', 'method') or not inspect.isfunction(owner):
        return {}
    types = {name: str(kind) for name, kind in owner.__annotations__.items()}
    return {name: kind for name, kind in types.items() if (what, name) != ('class', 'return')}


def as_fields(text: str, types: dict[str, str]) -> str:
    """A docstring → reStructuredText with the parameters, result and errors that it describes."""
    paragraphs = PARAGRAPHS.split(text)
    if any(paragraph.startswith(SECTIONS) for paragraph in paragraphs):
        return '\n\n'.join(_sectioned(paragraphs, types))
    prose, meanings, errors = [], dict[str, str](), dict[str, str]()
    for paragraph in paragraphs:
        if re.search(r'^[ \t]', paragraph, re.M):
            prose.append(_drawing(paragraph))
            continue
        rest, described = split_fields(' '.join(paragraph.split()), tuple(types))
        meanings |= {name: _without_errors(text, errors) for name, text in described.items()}
        prose.append(escaped(_without_errors(rest, errors)))
    fields = _parameters(types, meanings) + _result(types, prose[0])
    fields += [f':raises {name}: {escaped(why)}' for name, why in errors.items()]
    return '\n\n'.join([*(p for p in prose if p), '\n'.join(fields)])


def split_fields(text: str, names: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """A paragraph → its prose, and the meaning of each name that it describes as `name: ...`."""
    known = '|'.join(sorted(map(re.escape, names), key=len, reverse=True)) or '(?!)'
    start = re.compile(rf'(?:^|(?<=[;.,] ))((?:{known})(?:(?:, | and )(?:{known}))*): ')
    found = list(start.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    meanings = {
        name: text[match.end() : end].rstrip(' ;.,')
        for match, end in zip(found, ends, strict=False)
        for name in re.split(', | and ', match[1])
    }
    prose = re.sub(r'[;,]$', '.', text[: found[0].start()].strip()) if found else text
    return prose, meanings


def escaped(text: str) -> str:
    """Without what reStructuredText takes for emphasis, substitution or a link."""
    parts = re.split(r'(`[^`]*`|(?<!\w)\*\w+\*(?!\w))', text)  # code and *emphasis* stay
    return ''.join(p if i % 2 else SPECIAL.sub(r'\\\g<0>', p) for i, p in enumerate(parts))


def _sectioned(paragraphs: list[str], types: dict[str, str]) -> list[str]:
    """Google's sections as they are, with the types below, which the docstring does not repeat."""
    kept = [p if p.startswith(SECTIONS) else escaped(p) for p in paragraphs]
    kinds = [f':type {k}: {escaped(v)}' for k, v in types.items() if k != 'return']
    kinds += [f':rtype: {escaped(types["return"])}'] if 'return' in types else []
    return [*kept, '\n'.join(kinds)]


def _drawing(paragraph: str) -> str:
    return '.. code-block:: text\n\n' + re.sub('^', '   ', paragraph, flags=re.M)


def _without_errors(text: str, errors: dict[str, str]) -> str:
    sentences = text if text.endswith('.') else f'{text}.'
    found = list(RAISES.finditer(sentences))
    for sentence in found:
        _, *parts = ERROR.split(sentence[1])  # name, reason, name, reason, ...
        reason = ''
        for name, own in reversed(list(zip(parts[::2], parts[1::2], strict=True))):
            reason = own.strip(' ,') or reason  # `A and B for ...`: one reason for both
            errors[name] = reason
    return RAISES.sub('', sentences).strip() if found else text


def _parameters(types: dict[str, str], meanings: dict[str, str]) -> list[str]:
    names = [name for name in types if name != 'return']
    lines = [f':param {name}: {escaped(meanings.get(name, ""))}' for name in names]
    return lines + [f':type {name}: {escaped(types[name])}' for name in names]


def _result(types: dict[str, str], summary: str) -> list[str]:
    if types.get('return', 'None') == 'None':
        return []
    found = RESULT.search(summary)
    returns = [f':returns: {found[1]}'] if found else []
    return [*returns, f':rtype: {escaped(types["return"])}']
