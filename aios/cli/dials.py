"""What `aios top` writes into its tables: gauges as rows of text. Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aios.cli import screen

if TYPE_CHECKING:
    from aios.kernel.values import JsonObject
    from aios.sdk.gauges import Gauges

POOLS = ("POOL", "RUNNING", "PLACES", "QUEUED", "OLDEST", "BY PRIORITY")
CORES = ("CORE", "MODEL", "SLOTS", "STATE")
AGENTS = ("AGENT", "PROGRAM", "STATE", "PRI", "WAITING", "SERVICE", "TOKENS", "DOING", "TASK")

_ORDER = ("running", "queued", "waiting", "paused", "done", "failed", "cancelled")
_ENDED = ("done", "failed", "cancelled")
_LONG_SECONDS = 600


def headline(now: "Gauges", *, before: "Gauges | None") -> str:
    """The first line: agents by state, and how fast tokens go."""
    parts = [f"{state} {now.states.get(state, 0)}" for state in _ORDER if state not in _ENDED]
    parts += [f"{state} {now.states.get(state, 0)}/min" for state in _ENDED]
    speed = f"{now.tokens_per_second(before):.0f} tokens/s" if before else "tokens/s: soon"
    asked = f"{len(now.approvals)} to approve" if now.approvals else ""
    return "  ".join(part for part in (asked, *parts, speed) if part)


def pools(now: "Gauges") -> list[screen.Row]:
    """A row per pool: how much of it is used, and what waits, most urgent first."""
    names = sorted({*now.capacity, *(row["pool"] for row in now.queues)})
    return [_pool(now, name) for name in names]


def cores(now: "Gauges") -> list[screen.Row]:
    """A row per core."""
    return [(row["name"], screen.shortened(row["model"], 28), _slots(row), _fares(row)) for row in now.cores]


def agents(now: "Gauges") -> list[tuple[str, screen.Row]]:
    """Id and row of each agent."""
    return [(str(row["id"]), _agent(row)) for row in now.agents]


def failures(now: "Gauges", *, most: int, width: int = 160) -> list[str]:
    """A line of at most `width` characters per agent that failed, newest first."""
    return [
        screen.shortened(
            screen.printable(
                f"{screen.ago(row['finished_at'])}, {str(row['id'])[-12:]}, {row['program']}, {row['type']}: {row['message']}"
            ),
            width,
        )
        for row in now.failures[:most]
    ]


def seconds(value: object) -> str:
    """A duration as short as can be."""
    if value is None:
        return ""
    number = max(0.0, float(str(value)))
    if number < 10:  # noqa: PLR2004
        return f"{number:.1f} s"
    return f"{number:.0f} s" if number < _LONG_SECONDS else f"{number / 60:.0f} min"


def _pool(now: "Gauges", name: str) -> screen.Row:
    rows = [row for row in now.queues if row["pool"] == name]
    waiting = [row for row in rows if row["queued"]]
    oldest = max((row["oldest_seconds"] for row in waiting if row["oldest_seconds"] is not None), default=None)
    places = now.capacity.get(name, {}).get("places", 0)
    by_priority = " ".join(f"{row['priority']}:{row['queued']}" for row in waiting)
    queued = sum(row["queued"] for row in rows)
    return name, sum(row["running"] for row in rows), places, queued, seconds(oldest), by_priority


def _slots(row: "JsonObject") -> str:
    used: object = "?" if row["used"] is None else row["used"]
    return f"{used}/{row['slots']}"


def _fares(row: "JsonObject") -> str:
    broken = row["breaker"] not in (None, "closed")
    return f"{row['state']}, {row['breaker']}" if broken else str(row["state"])


def _agent(row: "JsonObject") -> screen.Row:
    return (
        str(row["id"])[-12:],
        row["program"],
        row["state"],
        row["priority"],
        seconds(row["waiting_seconds"]),
        seconds(row["service_seconds"]),
        row["tokens"],
        row["doing"] or "",
        screen.shortened(row["task"], 60),
    )


def tables(now: "Gauges") -> Sequence[tuple[str, Sequence[str], Sequence[screen.Row]]]:
    """Everything as plain tables, for a screen that nobody watches."""
    return [
        ("pools", POOLS, pools(now)),
        ("cores", CORES, cores(now)),
        ("agents", AGENTS, [row for _, row in agents(now)]),
    ]
