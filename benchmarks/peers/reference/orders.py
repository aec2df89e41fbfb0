"""How the harness speaks with a program: it waits for `ready`, writes a line for each batch, and waits for `done`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def batches() -> Iterator[list[str]]:
    """The ids of agents to submit, or to run; a batch is done when the next one is asked for."""
    print("ready", flush=True)
    for line in sys.stdin:
        run, first, count = line.split()
        yield [f"{run}-{number}" for number in range(int(first), int(first) + int(count))]
        print("done", flush=True)
