"""The command: 0 when every agent is done and the killed worker's work was taken over, else 1 and one line that says why.

`--short` has half as many agents.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType


def main() -> int:
    """Run the demo; gives the exit code."""
    for name in [name for name in os.environ if name.startswith("AIOS_")]:
        del os.environ[name]  # the demo's system is its own, whatever the shell is set up for
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _run() -> int:
    from aios.errors import AiosError  # imports take a moment, in which a Ctrl-C is no traceback either
    from benchmarks.demo.cast import CAST, SHORT
    from benchmarks.demo.show import run

    try:
        run(SHORT if "--short" in sys.argv[1:] else CAST)
    except AiosError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
