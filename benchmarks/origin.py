"""Where figures come from: the command, the commit and the machine, kept beside every result."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).with_name("results")


def origin(*, command: str, clock: str) -> dict[str, object]:
    """Where figures come from, as it was before the runs: a commit may land while they last.

    Args:
        command: that makes them again.
        clock: `virtual`, or `wall`: then the machine matters too.
    """
    git = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=RESULTS.parent, capture_output=True, text=True, check=False
    )
    found: dict[str, object] = {
        "command": command,
        "clock": clock,
        "commit": git.stdout.strip() or "unknown",
        "python": f"Python {platform.python_version()}",
    }
    return found if clock == "virtual" else found | _machine()


def line(run: dict[str, object]) -> str:
    """The origin of wall-clock figures as a line of a page."""
    return (
        f"{run['day']}, {run['cores']} cores ({run['processor']}); before the run a load of {run['load_before']}, and "
        f"{run['flush_ms']} ms for a flush to the disk. "
        f"Commit {run['commit']}, {run['python']}, `{run['command']}`."
    )


def _machine() -> dict[str, object]:
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "load_before": round(os.getloadavg()[0], 1),
        "flush_ms": round(1000 * _flush_seconds(), 2),
    }


def _flush_seconds() -> float:
    """What a commit waits for, whatever database it is: the median of 50 flushes, where the servers have their data."""
    took = []
    with tempfile.TemporaryFile() as file:
        for _ in range(50):
            file.write(bytes(8192))
            file.flush()
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - begun)
    return median(took)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
