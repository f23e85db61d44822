"""One finding of `mtscene check`."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = 'ok', 'warn', 'fail'


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    level: ok, warn (the node works, but worse or less) or fail (the node will not work); fix:
    what to do about it, '' for ok.
    """

    name: str
    level: str
    found: str
    fix: str = ''
