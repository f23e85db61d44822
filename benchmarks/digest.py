"""Digests of tensors: what is stored so that later tensors can be compared, in readable form.

A digest holds statistics and a few values, compared with tolerances because runtimes round
differently on each processor, and a checksum, which tells whether nothing has changed at all.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (0, 1, 25, 50, 75, 99, 100)
SAMPLES = 8
# In standard deviations of the tensor. Float32 on another processor or in another order stays a
# hundred times below; a change of a layer, a resize or the precision does not.
LIMIT = 2e-3
EXTREME = 10  # times LIMIT for minimum and maximum, which are single pixels
LEVELS = 1.0  # for integers: a value between two integers may be rounded to either
FLIPPED = 0.005  # fraction of pixels whose label may differ

Digest = dict[str, Any]


def digest(name: str, array: NDArray[Any]) -> Digest:
    """Computes a digest; name: the tensor's. *_labels hold classes, all others hold quantities."""
    flat = array.ravel()
    picked = np.random.Generator(np.random.PCG64(flat.size)).integers(0, flat.size, SAMPLES)
    about: Digest = {
        'shape': list(array.shape),
        'dtype': array.dtype.name,
        'sha256': hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16],
        'samples': [short(v) for v in flat[picked]],
    }
    if name.endswith('_labels'):
        ids, counts = np.unique(flat, return_counts=True)
        shares = (counts / flat.size).tolist()
        return about | {'shares': {str(i): short(s) for i, s in zip(ids, shares, strict=True)}}
    exact = flat.astype(np.float64)
    about |= {'mean': short(exact.mean()), 'std': short(exact.std())}
    at = [short(v) for v in np.percentile(exact, PERCENTILES)]
    return about | {'percentiles': dict(zip(map(str, PERCENTILES), at, strict=True))}


def short(value: float) -> float:
    """Rounds to seven digits, more than float32 has."""
    return float(f'{float(value):.7g}')


def complaints(name: str, want: Digest, got: Digest) -> list[str]:
    """Returns one sentence for each difference beyond the limits."""
    for key in ('shape', 'dtype'):
        if want[key] != got[key]:
            return [f'{name}: {key} is {got[key]}, was {want[key]}.']
    if 'shares' in want:
        return label_complaints(name, want, got)
    whole = not want['dtype'].startswith('float')
    limit = max(LIMIT * want['std'], 1e-6)
    pairs = [('mean', want['mean'], got['mean'], limit), ('std', want['std'], got['std'], limit)]
    limit = max(limit, LEVELS) if whole else limit
    for p in want['percentiles']:
        wide = EXTREME * limit if p in ('0', '100') else limit
        pairs.append((f'percentile {p}', want['percentiles'][p], got['percentiles'][p], wide))
    for i, (old, new) in enumerate(zip(want['samples'], got['samples'], strict=True)):
        pairs.append((f'sample {i}', old, new, EXTREME * limit))
    return [
        f'{name}: {what} is {new:.7g}, was {old:.7g} (limit {most:.2g}).'
        for what, old, new, most in pairs
        if not abs(new - old) <= most  # also reports NaN
    ]


def label_complaints(name: str, want: Digest, got: Digest) -> list[str]:
    old, new = want['shares'], got['shares']
    moved = sum(abs(new.get(k, 0) - old.get(k, 0)) for k in old.keys() | new.keys()) / 2
    changed = [k for k in old.keys() | new.keys() if abs(new.get(k, 0) - old.get(k, 0)) > FLIPPED]
    if moved <= FLIPPED:
        return []
    shares_text = ', '.join(
        f'{k}: {old.get(k, 0):.4f} to {new.get(k, 0):.4f}' for k in sorted(changed)
    )
    return [f'{name}: {100 * moved:.2f} % of the pixels have another class ({shares_text}).']
