"""Camera health, novelty and steadiness against their bounds; 1 where one is broken.

make steady [DATA=../shared/data]

Photographs of DATA are left out where they are absent, which is said; what is generated is always
measured.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import flicker, image_health, novelty

MAX_HEALTH_MS = 0.5  # of CPU time per image


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, default=Path('../shared/data'))
    parser.add_argument('--length', type=int, default=25, help='images of each generated drive')
    options = parser.parse_args()
    lines, cost_ms = image_health.report(options.data)
    print('\n'.join(['## Camera health', '', *lines, '', f'{cost_ms:.2f} ms per image', '']))
    broken = [f'Camera health takes {cost_ms:.2f} ms.'] if cost_ms > MAX_HEALTH_MS else []
    print('## Steadiness\n', flush=True)
    lines, sentences = flicker.report('', options.length)
    print('\n'.join([*lines, '', '## Novelty', '']), flush=True)
    broken += sentences
    for model in novelty.MODELS:
        lines, sentences = novelty.report(model, novelty.measured(model, options.data))
        print('\n'.join([*lines, '']), flush=True)
        broken += sentences
    print('\n'.join(broken), file=sys.stderr)
    return 1 if broken else 0


if __name__ == '__main__':
    raise SystemExit(main())
