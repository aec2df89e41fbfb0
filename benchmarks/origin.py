"""Where figures come from: the command, the commit and the machine, kept beside every result."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

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
        f"{run['day']}, {run['cores']} cores ({run['processor']}), load {run['load_before']} before the run. "
        f"Commit {run['commit']}, {run['python']}, `{run['command']}`."
    )


def _machine() -> dict[str, object]:
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "load_before": round(os.getloadavg()[0], 1),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
