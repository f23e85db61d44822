"""One process of a campaign: inputs into one target, what happens to shared memory.

python -m trust.fuzz_child TARGET ENGINE COUNT SEED FOLDER

The parent (fuzz.py) sees the number of inputs, the refused ones and the input in work, also after
this process died of it.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import re
import resource
import struct
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from trust.fuzz_targets import target_of

LIMIT_S = 1.0  # of processor time for one input
MOST_MEMORY = 16 << 30  # of addresses, so that an absurd allocation fails instead of being granted
HEAD = struct.Struct('<QQQQ')  # inputs, refused ones, of the best CPU time in us, bytes in work
SIZE = 1 << 20


class Account:
    """What is shared with the parent, and the findings."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / 'state'
        if not self.path.exists():
            self.path.write_bytes(bytes(SIZE))
        with self.path.open('r+b') as file:
            self.memory = mmap.mmap(file.fileno(), SIZE)
        self.folder, self.done, self.refused, self.slowest_us = folder, 0, 0, 0
        self.findings: dict[str, str] = {}

    def begin(self, data: bytes) -> None:
        HEAD.pack_into(
            self.memory, 0, self.done, self.refused, self.slowest_us, min(len(data), SIZE - 64)
        )
        self.memory[64 : 64 + min(len(data), SIZE - 64)] = data[: SIZE - 64]

    def find(self, key: str, what: str, data: bytes) -> None:
        """Each kind once: its shortest input."""
        known = self.findings.get(key)
        if known is None or len(data) < len(bytes.fromhex(json.loads(known)['input'])):
            about = {'key': key, 'what': what, 'input': data.hex()}
            self.findings[key] = json.dumps(about)
            lines = '\n'.join(self.findings.values())
            (self.folder / f'findings.{os.getpid()}.jsonl').write_text(lines)


def judged(target: object, account: Account) -> Callable[[bytes], None]:
    """One input → the account."""
    refusals = target.refusals  # type: ignore[attr-defined]
    run = target.run  # type: ignore[attr-defined]

    def one_input(data: bytes) -> None:
        account.begin(data)
        start_s = time.process_time()
        try:
            run(data)
        except refusals:
            account.refused += 1
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)
            ours = [
                f for f in place if '/mtscene_ros/' in f.filename or '/training/' in f.filename
            ]
            at = (ours or place)[-1]
            key = f'{type(error).__name__} at {Path(at.filename).name}:{at.name}'
            account.find(key, f'{key}:{at.lineno}: {str(error)[:200]}', data)
        spent_s = time.process_time() - start_s
        account.slowest_us = max(account.slowest_us, round(1e6 * spent_s))
        if spent_s > LIMIT_S:
            account.find('slow', f'{spent_s:.1f} s of processor time', data)
        account.done += 1

    return one_input


def by_coverage(one: Callable[[bytes], None], count: int, seed: int, most: int, at: Path) -> None:
    """Atheris: mutations kept where they reach new code of ours. Does not return."""
    import atheris

    options = [
        sys.argv[0], f'-runs={count}', f'-seed={seed}', f'-max_len={most}', '-timeout=60',
        '-rss_limit_mb=0', '-print_final_stats=0', f'-dict={words(at)}', str(at / 'corpus'),
    ]  # fmt: skip
    atheris.Setup(options, one)
    atheris.Fuzz()


def words(at: Path) -> Path:
    """Words of the seeds, which mutations of text need."""
    found = {
        w for p in (at / 'corpus').iterdir() for w in re.findall(rb'\w{3,30}', p.read_bytes())
    }
    path = at / 'words'
    path.write_text(''.join(f'"{w.decode("ascii", "ignore")}"\n' for w in sorted(found)[:2000]))
    return path


def by_structure(one: Callable[[bytes], None], count: int, seed: int, strategy: object) -> None:
    """Hypothesis: well-formed inputs with hostile values."""
    import hypothesis

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count, database=None, deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck), phases=[hypothesis.Phase.generate],
    )  # fmt: skip
    @hypothesis.given(strategy)
    def check(data: bytes) -> None:
        one(data)

    check()


def by_mutation(one: Callable[[bytes], None], count: int, seed: int, good: list[bytes]) -> None:
    """Bits flipped, bytes cut, doubled, exchanged, numbers at limits: keeps nothing, so that
    memory may not grow."""
    made = random.Random(seed)
    for _ in range(count):
        one(mutated(made, good))


def mutated(made: random.Random, good: list[bytes]) -> bytes:
    data = bytearray(made.choice(good))
    for _ in range(made.choice((0, 1, 1, 2, 3, 8))):
        at = made.randrange(len(data) + 1)
        match made.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << made.randrange(8)
            case 1 if at < len(data):
                data[at] = made.choice((0, 1, 0x7F, 0x80, 0xFF, made.randrange(256)))
            case 2:
                data[at:] = b''
            case 3:
                data[at : at + 4] = struct.pack('<I', made.choice((0, 1, 2**31 - 1, 2**32 - 1)))
            case 4:
                other = made.choice(good)
                data[at:] = other[min(at, len(other)) :]
            case _:
                data[at:at] = data[at : at + made.randrange(1, 32)]
    return bytes(data)


def main(name: str, engine: str, count: int, seed: int, folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if engine == 'coverage':
        import atheris

        with atheris.instrument_imports(include=['mtscene_ros', 'training']):
            target = target_of(name)
    else:
        target = target_of(name)
    corpus = folder / 'corpus'
    seeds = target.first_inputs()
    one_input = judged(target, Account(folder))
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(seeds):
        (corpus / f'seed{number}').write_bytes(data)
    (folder / 'ready').touch()
    if engine == 'coverage':
        by_coverage(one_input, count, seed, max(target.most_bytes, *map(len, seeds)), folder)
    elif engine == 'structure':
        assert target.structure is not None
        by_structure(one_input, count, seed, target.structure())
    else:
        kept = sorted(corpus.iterdir())[:3000]
        by_mutation(one_input, count, seed, [p.read_bytes() for p in kept])


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
