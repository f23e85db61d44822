"""How long a test waits for an event: a bound on hangs, out of reach on a busy machine."""

PATIENCE_S = 120.0
