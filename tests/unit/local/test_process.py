from __future__ import annotations

import os
import signal
import sys
import threading

from aios.local import process
from aios.local.process import RunAs, birth, command


def test_this_process_has_one_birth_and_a_pid_that_is_not_used_has_none() -> None:
    assert birth(os.getpid()) == birth(os.getpid()) is not None
    assert birth(2**22 + 1) is None


def test_an_empty_value_removes_a_variable(monkeypatch: object) -> None:
    added = process._environment({"PATH": "", "NEW": "value"})
    assert "PATH" not in added
    assert added["NEW"] == "value"
    assert added["HOME"] == os.environ["HOME"]


def test_only_the_main_thread_ties_a_child_to_this_process() -> None:
    lines: list[list[str]] = []

    def make() -> None:
        lines.append(command(("true",), run_as=RunAs.USERNS, death_signal=signal.SIGKILL))

    make()
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert [line[4] for line in lines] == ["9", "0"]
    assert lines[0][:3] == [sys.executable, "-I", "-S"]
    assert lines[0][5:] == [str(os.getpid()), "userns", "true"]
