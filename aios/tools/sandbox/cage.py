"""Running a program in the sandbox: its files in, its output and changed files out, and an end to it when it takes too much."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from typing import IO, TYPE_CHECKING, Final, NamedTuple, Self

import psutil

from aios.kernel.values import clean
from aios.tools.sandbox.limits import kernel_limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.kernel.values import JsonObject
    from aios.settings import SandboxSettings
    from aios.tools.sandbox.bubblewrap import Bubblewrap

_LOOK_SECONDS: Final = 0.1
_CHATTER: Final = 16
"""A program that prints this many times more than is kept is ended: it would print for ever."""
_HEADER_BYTES: Final = 1_000_000


class Program(NamedTuple):
    """What to run: a text, and the interpreter that reads it from a file."""

    text: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Ran:
    """How a program ended.

    Attributes:
        exit_code: None if it was ended from outside.
        stopped: why it was ended from outside; empty if it was not.
        files: new and changed files by their path relative to the agent's folder; none if it was ended.
    """

    exit_code: int | None
    stdout: str
    stderr: str
    stopped: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)


class Cage:
    """Runs programs, each in a sandbox of its own that is gone afterwards."""

    def __init__(self, bubblewrap: Bubblewrap, settings: SandboxSettings) -> None:
        self._bubblewrap = bubblewrap
        self._settings = settings
        self._inside = resources.files("aios.tools.sandbox").joinpath("inside.py").read_text()

    def run(self, program: Program, files: Mapping[str, bytes], *, seconds: float) -> Ran:
        """Run a program to its end, or to the end of what it may take.

        Args:
            program: what to run.
            files: the contents of its working folder.
            seconds: wall time at most; the settings may say less.
        """
        until = time.monotonic() + min(seconds, self._settings.wall_seconds)
        with _Answer() as answer:
            order = self._order(program, answer.write_fd)
            command = self._bubblewrap.command([self._bubblewrap.python, "-I", "-S", "-c", self._inside])
            with subprocess.Popen(  # noqa: S603  # bubblewrap with arguments of ours
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[answer.write_fd],
            ) as process:
                run = _Run(process, answer, self._settings)
                return run.to_end(_parcel(order, files), until=until)

    def _order(self, program: Program, answer_fd: int) -> JsonObject:
        return {
            "uid": self._bubblewrap.uid(),
            "limits": kernel_limits(self._settings),
            "program": program.text,
            "command": list(program.command),
            "answer_fd": answer_fd,
            "answer_bytes": self._settings.disk_bytes,
        }


class _Answer:
    """The pipe on which the sandbox tells how it ended."""

    def __enter__(self) -> Self:
        self.read_fd, self.write_fd = os.pipe()
        self._open = {self.read_fd, self.write_fd}
        return self

    def close(self, fd: int) -> None:
        if fd in self._open:
            self._open.remove(fd)
            os.close(fd)

    def __exit__(self, *_: object) -> None:
        for fd in list(self._open):
            self.close(fd)


class _Run:
    """One sandbox under way: four threads carry its bytes, this one watches the time and what it takes."""

    def __init__(self, process: subprocess.Popen[bytes], answer: _Answer, settings: SandboxSettings) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        answer.close(answer.write_fd)
        self._process = process
        self._settings = settings
        self._stdin = process.stdin
        keep, drop = settings.output_bytes, settings.output_bytes * _CHATTER
        most = settings.disk_bytes + _HEADER_BYTES
        self._out = _Drain(process.stdout, keep=keep, end_after=drop)
        self._err = _Drain(process.stderr, keep=keep, end_after=drop)
        self._told = _Drain(os.fdopen(os.dup(answer.read_fd), "rb"), keep=most, end_after=most)

    def to_end(self, parcel: bytes, *, until: float) -> Ran:
        drains = (self._out, self._err, self._told)
        feeder = threading.Thread(target=self._feed, args=(parcel,), daemon=True)
        for thread in (feeder, *drains):
            thread.start()
        stopped = ""
        while not stopped and any(drain.is_alive() for drain in drains):
            self._told.join(_LOOK_SECONDS)
            stopped = self._too_much(until)
        if stopped:
            self._process.kill()  # the sandbox's first process dies with it, and all others with that one
        for drain in drains:
            drain.join()
        code, files = (None, {}) if stopped else _read(bytes(self._told.kept))
        self._process.wait()
        if code is None and not stopped:
            stopped = self._lost()
        return Ran(code, self._out.text(), self._err.text(), stopped, files)

    def _too_much(self, until: float) -> str:
        if time.monotonic() > until:
            return f"it ran longer than {self._settings.wall_seconds:g} s, or than the call may"
        if any(drain.over for drain in (self._out, self._err, self._told)):
            return f"it printed without end; {self._settings.output_bytes} bytes are kept"
        if _resident_bytes(self._process.pid) > self._settings.memory_bytes:
            return f"its processes took more than {self._settings.memory_bytes} bytes of memory together"
        return ""

    def _lost(self) -> str:
        return f"its sandbox ended by itself, with {self._process.returncode}"

    def _feed(self, parcel: bytes) -> None:
        with suppress(OSError):  # it ended before it had read all
            self._stdin.write(parcel)
        with suppress(OSError):
            self._stdin.close()


class _Drain(threading.Thread):
    """Reads a pipe to its end, so that nobody waits for a full one; keeps the beginning."""

    def __init__(self, pipe: IO[bytes], *, keep: int, end_after: int) -> None:
        super().__init__(daemon=True)
        self._pipe, self._keep, self._end_after = pipe, keep, end_after
        self._size = 0
        self.kept = bytearray()

    @property
    def over(self) -> bool:
        """Whether more came than is borne."""
        return self._size > self._end_after

    def run(self) -> None:
        with self._pipe:
            while piece := self._pipe.read1(65_536):  # type: ignore[attr-defined]  # it is buffered
                self._size += len(piece)
                self.kept += piece[: self._keep - len(self.kept)]

    def text(self) -> str:
        """What was kept, as text; it says so when there was more."""
        text = clean(bytes(self.kept).decode(errors="replace"))
        return text if self._size <= self._keep else f"{text}… ({self._size} bytes, the rest is left out)"


def _parcel(order: JsonObject, files: Mapping[str, bytes]) -> bytes:
    head = json.dumps({**order, "files": {name: len(data) for name, data in files.items()}}).encode()
    return b"".join([len(head).to_bytes(8, "big"), head, *files.values()])


def _read(answer: bytes) -> tuple[int | None, Mapping[str, bytes]]:
    """What the sandbox told, as far as it is of the right form; it may have been forged."""
    size = int.from_bytes(answer[:8], "big")
    try:
        told = json.loads(answer[8 : 8 + size])
        code, lengths = int(told["exit_code"]), {str(name): int(length) for name, length in told["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, {}
    files, at = {}, 8 + size
    for name, length in lengths.items():
        if length < 0 or at + length > len(answer):
            return None, {}
        files[name] = answer[at : at + length]
        at += length
    return code, files


def _resident_bytes(pid: int) -> int:
    """What the processes of a sandbox hold in memory together, with what they share counted in parts."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return 0
    return sum(_proportional_bytes(child) for child in children)


def _proportional_bytes(process: psutil.Process) -> int:
    try:
        with open(f"/proc/{process.pid}/smaps_rollup") as rollup:  # noqa: PTH123  # read thousands of times
            return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))
    except (OSError, StopIteration):
        with suppress(psutil.Error):
            return int(process.memory_info().rss)
    return 0
