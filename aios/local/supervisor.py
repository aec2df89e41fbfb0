"""`aios up` and `aios down`: one system per data directory, in the foreground or detached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios import settings
from aios.local import folder, leftovers, state
from aios.local.detached import start_detached
from aios.local.parts import Plan, parts
from aios.local.process import birth
from aios.local.state import SystemState
from aios.local.status import Status, status
from aios.local.system import System

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Status", "down", "status", "up"]

_DOWN_SECONDS = 60.0


def _silent(_name: str) -> None:
    return None


def up(
    data_dir: Path,
    *,
    detach: bool = False,
    backend: str = "llama",
    flower: bool = True,
    progress: Callable[[str], None] = _silent,
) -> Status:
    """Start the system of a data directory.

    Args:
        data_dir: its data, logs and state file; made if missing.
        detach: return when all is ready; else when the system was stopped (by a signal or by `down`).
        backend: the local engine's: `llama`, `scripted` or `simulated`.
        flower: whether Flower is started too.
        progress: called with the name of each process that is ready, and last with `ready`.

    Raises:
        Misconfigured: something did not come up; nothing is left running.
    """
    data_dir = folder.prepare(data_dir)
    if detach:
        start_detached(data_dir, backend=backend, flower=flower, progress=progress)
        return status(data_dir)
    with state.locked(data_dir):
        system = System(data_dir, progress=progress)
        plan = Plan(
            data_dir=data_dir,
            # Read after the system has emptied the state file: a URL found now was set by the operator.
            settings=settings.load(data_dir=data_dir),
            publish=system.publish,
            publish_flower=system.publish_flower,
            backend=backend,
            flower=flower,
        )
        system.run(parts(plan))
    return status(data_dir)


def down(data_dir: Path) -> list[str]:
    """Stop exactly what `up` started on this data directory; the names of what was running."""
    data_dir = data_dir.expanduser().resolve()
    if not data_dir.is_dir():
        return []
    stored = state.load(data_dir)
    running = [process.name for process in stored.processes if birth(process.pid) == process.started]
    supervisor = state.holder(data_dir)
    if supervisor is not None:
        leftovers.end(supervisor.pid, supervisor.started, seconds=_DOWN_SECONDS)
    with state.locked(data_dir):
        found = leftovers.stop(state.load(data_dir).processes, data_dir=data_dir)
        state.save(data_dir, SystemState())
    return running or found
