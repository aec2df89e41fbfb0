"""Twenty stub tools that take their time, with limits from one to eight; each writes down when it ran, and where.

Half as long as on average or half as long again, by the call's number: calls of one length would all end at once.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from aios.tools.tool import tool

LIMITS = {f"stub{n:02}": 1 + n % 8 for n in range(20)}
FOLDER = Path(os.environ["AIOS_BENCH_FOLDER"])
SECONDS = float(os.environ["AIOS_BENCH_SECONDS"])


def _note(line: str) -> None:
    with (FOLDER / f"{os.getpid()}.log").open("a") as log:  # one short line in one write
        log.write(line + "\n")


def _stub(name: str, limit: int) -> object:
    @tool(name=name, limit=limit, timeout_seconds=60)
    def stub(number: int) -> int:
        """Wait, and give the number back.

        Args:
            number: whatever it is.
        """
        _note(f"{name} begin {number} {time.monotonic()}")
        time.sleep(SECONDS * random.Random(number).uniform(0.5, 1.5))
        _note(f"{name} end {number} {time.monotonic()}")
        return number

    return stub


for _name, _limit in LIMITS.items():
    globals()[_name] = _stub(_name, _limit)
