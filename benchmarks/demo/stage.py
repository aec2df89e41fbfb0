"""What the audience sees: a live table on a terminal, lines elsewhere; the results and the timing table at the end."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aios.kernel.values import Json, JsonObject

_COLOURS = {"done": "green", "running": "bold blue", "waiting": "yellow", "queued": "cyan", "failed": "bold red"}
_WIDTH = 110  # where nobody says how wide it is


@dataclass
class Act:
    """One agent and its journal, as they were last seen."""

    name: str
    row: JsonObject
    calls: list[JsonObject] = field(default_factory=list)

    @property
    def state(self) -> str:
        """Its state."""
        return str(self.row["state"])

    @property
    def now(self) -> str:
        """What it is doing."""
        open_ = [call for call in self.calls if call["finished_at"] is None]
        return ", ".join(f"{call['pool']}.{call['op']} {call['state']}" for call in open_[:2])

    @property
    def attempts(self) -> int:
        """The most attempts that one of its syscalls took."""
        return max((int(call["attempt"]) for call in self.calls), default=0)

    def total(self, column: str) -> float:
        """`waiting_ms` or `running_ms` of all its syscalls on pools, less what waits for children."""
        return sum(float(call[column] or 0) for call in self.calls if call["pool"] != "agent")

    @property
    def turnaround_ms(self) -> float:
        """From its submission to its end."""
        row = self.row
        return 1000 * (row["finished_at"] - row["created_at"]).total_seconds() if row["finished_at"] else 0.0


class Stage:
    """Shows the agents while they run."""

    def __init__(self) -> None:
        console = Console()
        self.console = console if console.is_terminal else Console(width=_WIDTH, highlight=False, soft_wrap=True)
        self._begun = time.monotonic()
        self._shown: dict[str, str] = {}
        self._live: Live | None = None

    def say(self, line: str) -> None:
        """One line, with the time since the beginning."""
        self.console.print(Text(f"{time.monotonic() - self._begun:6.1f} s  {line}"))

    @contextmanager
    def live(self) -> Iterator[Callable[[Mapping[str, Act]], None]]:
        """A function that shows the acts as they are now."""
        if not self.console.is_terminal:
            yield self._lines
            return
        with Live(console=self.console, refresh_per_second=8) as self._live:
            yield self._table

    def _table(self, acts: Mapping[str, Act]) -> None:
        table = Table("AGENT", "PRIORITY", "STATE", "TOKENS", "NOW", box=None, header_style="bold")
        for act in acts.values():
            state = Text(act.state, _COLOURS.get(act.state, ""))
            table.add_row(act.name, str(act.row["priority"]), state, str(act.row["tokens"]), act.now)
        assert self._live is not None
        self._live.update(table)

    def _lines(self, acts: Mapping[str, Act]) -> None:
        for id_, act in acts.items():
            if self._shown.get(id_) != act.state and act.state in {"done", "failed", "cancelled"}:
                self.say(f"{act.name} is {act.state}")
            self._shown[id_] = act.state

    def finale(self, acts: Mapping[str, Act]) -> None:
        """Every result, then every time."""
        self.console.print("\nResults")
        for act in acts.values():
            shown = (
                act.row["error"]["message"] if act.row["error"] else _as_text((act.row["result"] or {}).get("value"))
            )
            self.console.print(Text(f"  {act.name:<14} {shown}"))
        self.console.print("\nTimes (waiting and running: sums over an agent's syscalls)")
        self.console.print(_times(acts))


def _times(acts: Mapping[str, Act]) -> Table:
    columns = ("AGENT", "PRIORITY", "STATE", "SYSCALLS", "ATTEMPTS", "WAITING", "RUNNING", "TURNAROUND", "TOKENS")
    table = Table(*columns, box=None, header_style="bold")
    for act in sorted(acts.values(), key=lambda act: act.row["priority"]):
        times = (act.total("waiting_ms"), act.total("running_ms"), act.turnaround_ms)
        counts = (act.row["priority"], act.state, len(act.calls), act.attempts)
        cells = (act.name, *counts, *(f"{ms / 1000:.2f} s" for ms in times), act.row["tokens"])
        table.add_row(*map(str, cells))
    return table


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
