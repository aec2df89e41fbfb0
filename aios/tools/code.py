"""`python.run` and `shell.run`: code in the sandbox, on the agent's own files; what it changes becomes versions of them."""

from __future__ import annotations

import base64
import functools
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from aios.errors import AiosError, ToolOff
from aios.kernel import paths
from aios.kernel.ports import Later
from aios.kernel.words import Effect
from aios.tools.caller import Caller  # noqa: TC001  # read from the signatures when the tools are made
from aios.tools.sandbox import bubblewrap
from aios.tools.sandbox.cage import Cage, Program, Ran
from aios.tools.tool import Tool, tool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.kernel.values import Json, JsonObject
    from aios.settings import SandboxSettings

_MOST_FILES: Final = 500
_MOST_NAMED: Final = 20
_BYTES: Final = "base64"
_SPARE_SECONDS: Final = 5.0
_LONGEST_PROGRAM: Final = 100_000
Text = Annotated[str, Field(max_length=_LONGEST_PROGRAM)]


class Sandbox:
    """The sandbox of this process: looked for when the first program comes, and never replaced by anything weaker."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()

    @functools.cached_property
    def _found(self) -> tuple[Cage, str] | str:
        try:
            found = bubblewrap.find(self.settings)
        except ToolOff as error:
            return str(error.args[1])
        return Cage(found, self.settings), found.python

    @property
    def why_off(self) -> str:
        """Why there is none; empty if there is."""
        with self._lock:
            found = self._found
        return found if isinstance(found, str) else ""

    def run(self, name: str, text: str, caller: Caller) -> Later:
        """Run a program for an agent.

        Raises:
            ToolOff: no sandbox can be had on this machine.
        """
        if self.why_off:
            raise ToolOff(name, self.why_off)
        assert not isinstance(self._found, str)
        cage, python = self._found
        command = (python, "-I", "-B", "-X", "utf8") if name == PYTHON else ("/bin/sh",)
        files, left_out = _given(caller, self.settings)
        ran = cage.run(Program(text, command), files, seconds=caller.seconds - _SPARE_SECONDS / 2)
        return _taken(caller, ran, left_out)


PYTHON: Final = "python.run"
SHELL: Final = "shell.run"


def code_tools(sandbox: Sandbox) -> tuple[Tool, Tool]:
    """The tools that run code."""

    def python_run(code: Text, caller: Caller) -> Json:
        """Run a Python program on your files, without network. Print what you want to know; files it writes are kept.

        Args:
            code: the program, standard library only.
            caller: whose files.

        Examples:
            How many primes are below 1000? -> {"code": "print(sum(all(n % d for d in range(2, n)) for n in range(2, 1000)))"}
        """
        return sandbox.run(PYTHON, code, caller)

    def shell_run(script: Text, caller: Caller) -> Json:
        """Run a shell script on your files, without network. Print what you want to know; files it writes are kept.

        Args:
            script: commands for /bin/sh.
            caller: whose files.

        Examples:
            Count the lines of notes.txt. -> {"script": "wc -l notes.txt"}
        """
        return sandbox.run(SHELL, script, caller)

    seconds = sandbox.settings.wall_seconds + _SPARE_SECONDS
    # It can reach nothing, and what it writes is written once, with its result: a second run does no harm.
    make = tool(name=PYTHON, effect=Effect.IDEMPOTENT, timeout_seconds=seconds)
    made = make(python_run), tool(name=SHELL, effect=Effect.IDEMPOTENT, timeout_seconds=seconds)(shell_run)
    return replace(made[0], why_off=lambda: sandbox.why_off), replace(made[1], why_off=lambda: sandbox.why_off)


def _given(caller: Caller, settings: SandboxSettings) -> tuple[Mapping[str, bytes], list[str]]:
    """The agent's files by their path in its folder, as many as the sandbox takes, and the names of those left out."""
    own, room = paths.folder(caller.agent_id), settings.disk_bytes // 2
    files: dict[str, bytes] = {}
    left_out = []
    for found in caller.now("storage", "list", pattern="**"):
        name = str(found["path"]).removeprefix(own)
        if len(files) == _MOST_FILES or found["size"] > min(room, settings.file_bytes):
            left_out.append(name)
            continue
        content = caller.now("storage", "read", path=found["path"], encoding=_BYTES)["content"]
        files[name] = base64.b64decode(content)
        room -= len(files[name])
    return files, left_out


def _taken(caller: Caller, ran: Ran, left_out: list[str]) -> Later:
    """What the call will have done: new versions of the changed files, and what the program printed."""
    told: JsonObject = {"exit_code": ran.exit_code, "stdout": ran.stdout, "stderr": ran.stderr}
    if ran.stopped:
        told["stopped"] = ran.stopped
    if left_out:  # too many or too long: a program that finds nothing must not take that for the truth
        told["not_given"] = left_out[:_MOST_NAMED]
    writes, refused = [], {}
    for name, data in list(ran.files.items())[:_MOST_FILES]:
        try:
            content = base64.b64encode(data).decode()
            writes.append(caller.later("storage", "write", path=name, content=content, encoding=_BYTES))
        except AiosError as error:  # a name that no file of an agent's may have
            refused[name[:200]] = str(error)[:200]
    if refused:
        told["not_kept"] = refused

    def effect(tx: Json) -> JsonObject:
        stored = [write.effect(tx) for write in writes]
        return {**told, "files": [file["path"] for file in stored]} if stored else told

    return Later(effect)
