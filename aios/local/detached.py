"""`aios up --detach`: a supervisor in a session of its own, which reports over a pipe until everything is ready."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from aios.errors import AiosError, Misconfigured, from_json
from aios.local.system import READY
from aios.settings import app_dir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def start_detached(data_dir: Path, *, backend: str, flower: bool, progress: Callable[[str], None]) -> None:
    """Start a supervisor that outlives this process, and return when its system is ready.

    Raises:
        Misconfigured: something did not come up; nothing is left running.
    """
    log = data_dir / "logs" / "supervisor.log"
    log.parent.mkdir(mode=0o700, exist_ok=True)
    options = ("--backend", backend, *(() if flower else ("--no-flower",)))
    reports, report_to = os.pipe()
    with os.fdopen(reports, encoding="utf-8") as lines:
        try:
            supervisor = _spawn(data_dir, log=log, options=options, report_to=report_to)
        finally:
            os.close(report_to)
        try:
            for line in lines:
                if _understood(json.loads(line), progress=progress):
                    supervisor.returncode = 0  # it lives on by itself; keeps subprocess from warning about it
                    return
        except BaseException:  # Ctrl-C while it starts stops what has started
            supervisor.send_signal(signal.SIGTERM)
            supervisor.wait()
            raise
    code = supervisor.wait()
    raise Misconfigured(f"the supervisor ended with code {code}", f"its log is {log}")


class Reporter:
    """The other end: the detached supervisor's side of the pipe."""

    def __init__(self, descriptor: int) -> None:
        self._pipe = os.fdopen(descriptor, "w", encoding="utf-8")

    def progress(self, name: str) -> None:
        """A process is ready, or, with `ready`, all are; nobody reads on after that."""
        self._say({"progress": name})
        if name == READY:
            self._pipe.close()

    def failed(self, error: AiosError) -> None:
        """The system did not come up."""
        self._say({"error": error.to_json()})

    def _say(self, report: object) -> None:
        try:
            print(json.dumps(report), file=self._pipe, flush=True)
        except (BrokenPipeError, ValueError):
            return  # whoever started us has gone, or has heard enough


def _spawn(data_dir: Path, *, log: Path, options: tuple[str, ...], report_to: int) -> subprocess.Popen[bytes]:
    arguments = ("--data-dir", str(data_dir), *options, "--report", str(report_to))
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "aios.local", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=app_dir(),
            pass_fds=(report_to,),
            start_new_session=True,
        )


def _understood(report: dict[str, object], *, progress: Callable[[str], None]) -> bool:
    error = report.get("error")
    if isinstance(error, dict):
        raise from_json(error)  # type: ignore[arg-type]  # as `to_json` wrote it
    name = str(report["progress"])
    progress(name)
    return name == READY
