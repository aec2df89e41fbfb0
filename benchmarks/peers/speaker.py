"""A program of a peer as a process: it says `ready`, takes a line for each batch, and says `done`."""

from __future__ import annotations

import os
import signal
import subprocess
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING

from aios.local.process import command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Silent(Exception):  # a finding, not a defect
    """A program ended, or did not answer in time."""


class Speaker:
    """One run of a program, in a process group of its own, that ends with this process."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], log: Path) -> None:
        """It is started at once.

        Args:
            argv: the command line.
            env: added to the environment.
            log: where its errors go.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command(tuple(argv), death_signal=signal.SIGKILL),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **env},
                cwd=log.parent,
                text=True,
                bufsize=1,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._said: Queue[str] = Queue()
        Thread(target=self._listen, daemon=True).start()

    def hear(self, word: str, *, seconds: float) -> None:
        """Wait until it says a word.

        Raises:
            Silent: it does not.
        """
        try:
            while (said := self._said.get(timeout=seconds)) != word:
                if not said:
                    raise Silent(f"it ended: {self._last()}")
        except Empty:
            raise Silent(f"no {word!r} within {seconds:.0f} s: {self._last()}") from None

    def say(self, line: str) -> None:
        """Give it a batch."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")

    def kill(self) -> None:
        """SIGKILL it and its group."""
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line.strip() or " ")
        self._said.put("")

    def _last(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it wrote nothing"
