"""The figures of open arrivals, as rows, findings and tables."""

from __future__ import annotations

from itertools import chain
from statistics import fmean
from typing import TYPE_CHECKING, Final

from benchmarks import origin
from benchmarks.arriving.added import Added, quantile
from benchmarks.simulation import tables
from benchmarks.simulation.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.arriving.kernel import Segment
    from benchmarks.simulation.findings import Findings

TARGETS: Final = {"pools": (15.0, 60.0), "fused": (8.0, 40.0)}  # milliseconds added: p50, p99
PARTS: Final = {
    "queue_ms": "request in the journal, until a worker has claimed it",
    "connect_ms": "claimed, until the engine begins",
    "finish_ms": "the engine's last byte, until the result is in the journal",
    "resume_ms": "result, until the agent's next request",
}
COLUMNS: Final = ("who", "turn", *Added._fields, "added_ms")
Row = tuple[object, ...]
"""Of the raw CSV."""


def rows(segments: Sequence[Segment], bare: Sequence[Sequence[float]]) -> list[Row]:
    """A row of each measured call."""
    blank = [""] * len(Added._fields)
    return [
        *(
            ("kernel", turn, *(round(part, 2) for part in call), round(call.added_ms, 2))
            for turn, segment in enumerate(segments)
            for call in segment.calls
        ),
        *(("bare", turn, *blank, round(ms, 2)) for turn, times in enumerate(bare) for ms in times),
    ]


def findings(segments: Sequence[Segment], bare: Sequence[Sequence[float]], published: Sequence[float]) -> Findings:
    """All figures of a run."""
    calls = [call for segment in segments for call in segment.calls]
    engine = [call.engine_ms for call in calls]
    ours = _spread([call.added_ms for call in calls])
    theirs = _spread(list(chain(*bare)))
    return {
        "kernel": {
            **ours,
            "by_turn": [_spread([call.added_ms for call in segment.calls]) for segment in segments],
            "parts": {part: _spread([getattr(call, part) for call in calls]) for part in PARTS},
        },
        "bare_celery": {**theirs, "by_turn": [_spread(times) for times in bare]},
        "published_fifo": _spread(published),
        "over_bare_celery": {share: round(ours[share] / theirs[share], 2) for share in ("p50_ms", "p99_ms")},
        "engine": _spread(engine),
        "in_flight": round(fmean(segment.in_flight for segment in segments), 1),
        "busy": round(fmean(segment.busy for segment in segments), 3),
        "submitted_late_ms_p99": round(max(segment.late_ms for segment in segments), 2),
        "cpu_ms_per_call": {
            name: round(fmean(segment.cpu_ms_per_call[name] for segment in segments), 2)
            for name in segments[0].cpu_ms_per_call
        },
    }


def _spread(values: Sequence[float]) -> Findings:
    return {
        "calls": len(values),
        "p50_ms": round(quantile(values, 0.5), 2),
        "p90_ms": round(quantile(values, 0.9), 2),
        "p99_ms": round(quantile(values, 0.99), 2),
    }


def tables_of(found: Findings) -> Iterator[Table]:
    """All tables of a run."""
    yield _added(found)
    yield _parts(found)
    yield _circumstances(found)


def marks(profile: str) -> tuple[str, str]:
    """Where a page wants the tables of a profile."""
    return f"<!-- arrivals {profile}: begin -->", f"<!-- arrivals {profile}: end -->"


def page(found: Findings) -> str:
    """The tables for a page, with where they come from."""
    kept = f"[arrivals-{found['profile']}.csv](rows/arrivals-{found['profile']}.csv)"
    return f"{origin.line(found['run'])} Rows: {kept}.\n\n{tables.markdown(tables_of(found))}"


def _added(found: Findings) -> Table:
    load = found["load"]
    title = f"Added to an LLM call (E9), profile `{found['profile']}`, {found['in_flight']:.0f} calls in flight"
    wanted = TARGETS[found["profile"]]
    met = [found["kernel"][name] <= most for name, most in zip(("p50_ms", "p99_ms"), wanted, strict=True)]
    lines = [
        ("this kernel", *_line(found["kernel"])),
        ("wanted", "", *(f"<= {wanted[0]:g}", "", f"<= {wanted[1]:g}")),
        ("met", "", *("yes" if met[0] else "NO", "", "yes" if met[1] else "NO")),
        ("bare Celery, two hops", *_line(found["bare_celery"])),
        ("published AIOS's FIFO (B4, as described; virtual time)", *_line(found["published_fifo"])),
        (f"the engine's own ({load['engine_seconds']:.2f} s asked for)", *_line(found["engine"])),
    ]
    return Table(title, ("who", "calls", "p50 ms", "p90 ms", "p99 ms"), lines)


def _parts(found: Findings) -> Table:
    parts = found["kernel"]["parts"]
    lines = [(text, *_line(parts[name])[1:]) for name, text in PARTS.items()]
    return Table(f"Where it goes, profile `{found['profile']}`", ("from, until", "p50 ms", "p90 ms", "p99 ms"), lines)


def _circumstances(found: Findings) -> Table:
    cpu = found["cpu_ms_per_call"]
    lines = [
        ("throughput with everything busy, LLM syscalls/s", f"{found['llm_syscalls_per_second']:.1f}"),
        ("arriving, LLM syscalls/s", f"{found['load']['calls_per_second']:.1f}"),
        ("share of the machine's CPU in use", f"{found['busy']:.0%}"),
        ("CPU per syscall, ms", f"{sum(cpu.values()):.1f}"),
        ("of it", ", ".join(f"{name} {ms:.1f}" for name, ms in cpu.items() if ms >= 0.05)),
        ("agents submitted too late by, p99 ms", f"{found['submitted_late_ms_p99']:.1f}"),
    ]
    return Table(f"Under what circumstances, profile `{found['profile']}`", ("what", "figure"), lines)


def _line(spread: Findings) -> tuple[str, ...]:
    return (f"{spread['calls']:,}", *(f"{spread[name]:.1f}" for name in ("p50_ms", "p90_ms", "p99_ms")))
