"""Mutants that change nothing that a test could observe, each with the reason.

Module of benchmarks/mutants.py → (line as it is, line as it is changed) → reason.
"""

EQUIVALENT: dict[str, dict[tuple[str, str], str]] = {}
