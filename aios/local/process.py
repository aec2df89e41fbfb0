"""One child process: what to run (`Process`) and one run of it (`Child`), identified safely across restarts and reboots."""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LAUNCH = Path(__file__).with_name("launch.py")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LOG_LIMIT_BYTES = 10_000_000


class RunAs(enum.StrEnum):
    """Under which user a process runs; servers refuse root."""

    SELF = "self"
    USERNS = "userns"
    NOBODY = "nobody"


def _nothing() -> None:
    return None


def _always(_pid: int) -> bool:
    return True


def _no_repair(_tail: str) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Process:
    """What to run and how to know that it is ready, to repair it and to stop it."""

    name: str
    argv: tuple[str, ...]
    pool: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment of this process; an empty value removes the variable."""
    folder: Path | None = None
    run_as: RunAs = RunAs.SELF
    before: Callable[[], None] = _nothing
    """Runs before each start: repairs what the last run left behind."""
    ready: Callable[[int], bool] = _always
    """Given the pid: whether it does its work."""
    after: Callable[[], None] = _nothing
    """Runs each time it has become ready."""
    repair: Callable[[str], bool] = _no_repair
    """Given its output, when it ended before it was ready: whether another start is worth while."""
    ready_within: timedelta = timedelta(seconds=60)
    stop_signal: signal.Signals = signal.SIGTERM
    grace: timedelta = timedelta(seconds=10)
    """From the stop signal to SIGKILL."""
    death_signal: signal.Signals = signal.SIGKILL
    """What it gets when this process dies (Linux)."""
    server: bool = False
    """Others need it to end in good order: it is stopped after them."""
    once: bool = False
    """A step that ends by itself and must exit with 0."""


class Child:
    """One run of a process, in a session of its own, so that a terminal's Ctrl-C reaches its supervisor alone."""

    def __init__(self, process: Process, *, log: Path) -> None:
        self.process = process
        self.log = log
        _rotate(log)
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as output:
            self._log_start = os.fstat(output.fileno()).st_size
            self._popen = subprocess.Popen(
                command(process.argv, run_as=process.run_as, death_signal=process.death_signal),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=process.folder,
                env=_environment(process.env),
                start_new_session=True,
            )
        self.pid = self._popen.pid
        self.born = birth(self.pid) or ""

    def ended(self) -> int | None:
        """The exit code once it has ended; what is left of its process group is killed then."""
        if self._popen.returncode is None and _is_zombie(self.pid):
            # Before it is reaped, while its pid still names its group and nobody else's.
            self._signal_group(signal.SIGKILL)
        return self._popen.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL the process and its group, and reap it."""
        self._signal_group(signal.SIGKILL)
        self._popen.wait()

    def stop(self) -> None:
        """The stop signal, then SIGKILL when the grace time is over."""
        if self.ended() is None:
            self.send(self.process.stop_signal)
        deadline = time.monotonic() + self.process.grace.total_seconds()
        while self.ended() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if self.ended() is None:
            self.kill()

    def tail(self, *, lines: int = 15) -> str:
        """The last lines of this run's output."""
        with contextlib.suppress(OSError), self.log.open("rb") as output:
            output.seek(self._log_start)
            return "\n".join(output.read().decode(errors="replace").strip().splitlines()[-lines:])
        return ""

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def command(
    argv: tuple[str, ...], *, run_as: RunAs = RunAs.SELF, death_signal: signal.Signals | None = None
) -> list[str]:
    """The command line that runs `argv` through the launch script."""
    # The kernel sends the death signal when the *thread* that forked ends, so only the main thread may ask for it.
    bound = death_signal is not None and threading.current_thread() is threading.main_thread()
    number = int(death_signal) if death_signal is not None and bound else 0
    return [sys.executable, "-I", "-S", str(_LAUNCH), str(number), str(os.getpid()), run_as.value, *argv]


def birth(pid: int) -> str | None:
    """What tells this process from a later one with the same pid; None when it does not live.

    Ticks since boot plus the boot's id: a wall-clock creation time moves when the clock is set.
    """
    try:
        if sys.platform != "linux":
            return str(psutil.Process(pid).create_time())
        state, start = _stat(pid)
        return None if state in "ZX" else f"{_BOOT_ID.read_text().strip()}:{start}"
    except (OSError, psutil.Error):
        return None


def _stat(pid: int) -> tuple[str, str]:
    # The name in parentheses may hold spaces and parentheses itself.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[0], fields[19]


def _is_zombie(pid: int) -> bool:
    if not hasattr(os, "waitid"):
        return False
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return False


def _environment(added: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in {**os.environ, **added}.items() if value or name not in added}


def _rotate(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".log.1"))
