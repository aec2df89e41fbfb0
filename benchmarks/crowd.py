"""No lost wake-up, at size: `python -m benchmarks.crowd --agents 2000`. Each agent gathers eight requests, twice."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.acceptance import errands
from tests.acceptance.crowd import gather_all
from tests.acceptance.system import System


def main() -> int:
    """Run a crowd; 0 when nobody is stuck."""
    parser = argparse.ArgumentParser(prog="benchmarks.crowd", description=__doc__)
    parser.add_argument("--agents", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=3600.0, help="longest time for all of them")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="aios-crowd-"))
    with System(folder, engine=errands.ENGINE, env=errands.ENV) as system:
        begun = time.monotonic()
        gather_all(system, agents=options.agents, seconds=options.seconds)
        seconds = time.monotonic() - begun
        print(
            f"{options.agents} agents of 16 syscalls in {seconds:.0f} s "
            f"({16 * options.agents / seconds:.0f} a second): none is stuck; {system.counters()}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
