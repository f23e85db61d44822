"""How long a test waits for an event: a bound on hangs, which no test reaches on a busy machine."""

PATIENCE_S = 120.0
