from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from aios.errors import Misconfigured
from aios.local import leftovers, state
from aios.local.process import Process, birth
from aios.local.state import Recorded, SystemState
from aios.local.status import status
from aios.local.system import System

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLEEPER = (sys.executable, "-S", "-c", "import time; time.sleep(600)")
STUBBORN = (
    sys.executable,
    "-S",
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
)
PARENT = (
    sys.executable,
    "-S",
    "-c",
    (
        "import subprocess, sys, time;"
        "subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)']); time.sleep(600)"
    ),
)


def until(true: Callable[[], object], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


class Run:
    """A system that runs on a thread, as `up` in the foreground does on the main one."""

    def __init__(self, data_dir: Path, *processes: Process) -> None:
        self.said: list[str] = []
        self.error: Exception | None = None
        self.data_dir = data_dir
        self.system = System(data_dir, progress=self.said.append)
        self._processes = processes
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: "ready" in self.said or not self._thread.is_alive())
        return self

    def __exit__(self, *_: object) -> None:
        self.system.stop()
        self._thread.join()

    def _run(self) -> None:
        try:
            self.system.run(self._processes)
        except Misconfigured as error:
            self.error = error

    def pid(self, name: str) -> int:
        return next((p.pid for p in status(self.data_dir).processes if p.name == name and p.state == "running"), 0)


def test_processes_start_in_order_and_are_all_gone_after_the_stop(tmp_path: Path) -> None:
    with Run(tmp_path, Process(name="one", argv=SLEEPER), Process(name="two", argv=SLEEPER, pool="llm")) as run:
        assert run.said == ["one", "two", "ready"]
        shown = status(tmp_path).to_json()
        assert [(p["name"], p["pool"], p["state"]) for p in shown["processes"]] == [
            ("one", "", "running"),
            ("two", "llm", "running"),
        ]
        pids = [p["pid"] for p in shown["processes"]]
        assert all(birth(pid) for pid in pids)
    assert not any(birth(pid) for pid in pids)
    assert status(tmp_path).processes == ()


def test_a_killed_process_is_started_again(tmp_path: Path) -> None:
    with Run(tmp_path, Process(name="server", argv=SLEEPER), Process(name="w", argv=SLEEPER, pool="llm")) as run:
        for name in ("server", "w"):
            pid = run.pid(name)
            os.kill(pid, signal.SIGKILL)
            until(lambda name=name, pid=pid: run.pid(name) not in (0, pid))


def test_a_dead_processs_children_die_with_it(tmp_path: Path) -> None:
    with Run(tmp_path, Process(name="parent", argv=PARENT)) as run:
        pid = run.pid("parent")
        until(lambda: len(_group(pid)) == 2)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not _group(pid))


def _group(pid: int) -> list[int]:
    found = []
    for name in (path.name for path in Path("/proc").iterdir()):
        try:
            if name.isdigit() and os.getpgid(int(name)) == pid and birth(int(name)):
                found.append(int(name))
        except ProcessLookupError:
            continue
    return found


def test_a_process_that_ignores_its_stop_signal_is_killed_after_its_grace(tmp_path: Path) -> None:
    process = Process(name="stubborn", argv=STUBBORN, grace=timedelta(seconds=0.3))
    with Run(tmp_path, process) as run:
        until(lambda: "deaf" in (tmp_path / "logs" / "stubborn.log").read_text())
        pid = run.pid("stubborn")
    assert not birth(pid)


def test_servers_are_stopped_after_the_processes_that_use_them(tmp_path: Path) -> None:
    order = tmp_path / "order"
    script = (
        "import signal, sys, time\n"
        f"def stop(*_):\n    open({str(order)!r}, 'a').write(sys.argv[1] + '\\n'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, stop); open(sys.argv[2], 'w').close(); time.sleep(600)"
    )

    def process(name: str, *, server: bool) -> Process:
        mark = tmp_path / name
        argv = (sys.executable, "-S", "-c", script, name, str(mark))
        return Process(name=name, argv=argv, server=server, ready=lambda _pid: mark.exists())

    with Run(tmp_path, process("server-a", server=True), process("server-b", server=True), process("w", server=False)):
        pass
    assert order.read_text().split() == ["w", "server-b", "server-a"]


def test_a_process_that_dies_at_once_is_one_error_with_its_last_words_and_nothing_is_left(tmp_path: Path) -> None:
    broken = Process(
        name="broken", argv=(sys.executable, "-S", "-c", "raise SystemExit('no such thing')"), ready=_never
    )
    with Run(tmp_path, Process(name="one", argv=SLEEPER), broken, Process(name="other", argv=SLEEPER)) as run:
        assert isinstance(run.error, Misconfigured)
        assert "broken did not start (exit code 1)" in str(run.error)
        assert "no such thing" in str(run.error)
        assert not {"broken", "ready"} & set(run.said)  # on a busy machine others start before it is dead
    assert status(tmp_path).processes == ()


def _never(_pid: int) -> bool:
    return False


def test_a_process_that_is_never_ready_is_one_error(tmp_path: Path) -> None:
    slow = Process(name="slow", argv=SLEEPER, ready=_never, ready_within=timedelta(seconds=0.2))
    with Run(tmp_path, slow) as run:
        assert "not ready within 0.2 s" in str(run.error)


def test_a_step_must_succeed_and_is_not_supervised(tmp_path: Path) -> None:
    step = Process(name="step", argv=(sys.executable, "-S", "-c", "print('done')"), once=True)
    with Run(tmp_path, step, Process(name="one", argv=SLEEPER)) as run:
        assert run.said == ["step", "one", "ready"]
        assert [p.name for p in status(tmp_path).processes] == ["one"]
    with Run(tmp_path, replace(step, argv=(sys.executable, "-S", "-c", "raise SystemExit(3)"))) as run:
        assert "exit code 3" in str(run.error)


def test_a_process_that_keeps_dying_is_started_less_and_less_often(tmp_path: Path) -> None:
    count = tmp_path / "count"
    script = f"open({str(count)!r}, 'a').write('x'); import time; time.sleep(0.3)"
    with Run(tmp_path, Process(name="flaky", argv=(sys.executable, "-S", "-c", script))):
        until(lambda: len(count.read_text()) >= 2)
        time.sleep(2.0)
        assert 2 <= len(count.read_text()) <= 5


@pytest.fixture
def abandoned(tmp_path: Path) -> Iterator[list[int]]:
    """Two processes of a supervisor that was SIGKILLed where the kernel does not tell its children."""
    import subprocess

    children = [
        subprocess.Popen(SLEEPER, env={**os.environ, **mark}, start_new_session=True)
        for mark in ({}, {leftovers.MARK: str(tmp_path)})
    ]
    recorded = Recorded(name="recorded", pid=children[0].pid, started=birth(children[0].pid) or "")
    state.save(tmp_path, SystemState(processes=(recorded,), settings={"database_url": "postgresql://old"}))
    # The exec of the second must be over before its environment shows.
    until(lambda: leftovers._marked(tmp_path))
    yield [child.pid for child in children]
    for child in children:
        child.kill()
        child.wait()


def test_the_next_system_stops_what_the_last_one_left_running(tmp_path: Path, abandoned: list[int]) -> None:
    System(tmp_path, progress=print)
    until(lambda: not any(birth(pid) for pid in abandoned))
    assert state.load(tmp_path).settings == {}


def test_a_recorded_pid_that_now_is_another_process_is_left_alone(tmp_path: Path, abandoned: list[int]) -> None:
    stranger = Recorded(name="gone", pid=abandoned[0], started="another boot:1")
    leftovers.stop([stranger], data_dir=tmp_path / "elsewhere")
    assert all(birth(pid) for pid in abandoned)


def test_a_killed_supervisors_children_die(tmp_path: Path) -> None:
    import subprocess

    script = (
        "import sys; from pathlib import Path; from aios.local.system import System; from aios.local.process import Process\n"
        "System(Path(sys.argv[1]), progress=print).run("
        f"[Process(name='one', argv={SLEEPER!r}), Process(name='two', argv={SLEEPER!r})])"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.DEVNULL) as supervisor:
        until(lambda: [p.state for p in status(tmp_path).processes] == ["running", "running"])
        pids = [p.pid for p in status(tmp_path).processes]
        supervisor.kill()
    until(lambda: not any(birth(pid) for pid in pids))
    assert [p.state for p in status(tmp_path).processes] == ["dead", "dead"]


def test_sigterm_stops_a_supervisor_in_good_order(tmp_path: Path) -> None:
    import subprocess

    script = (
        "import sys; from pathlib import Path; from aios.local.system import System; from aios.local.process import Process\n"
        f"System(Path(sys.argv[1]), progress=print).run([Process(name='one', argv={SLEEPER!r})])"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.DEVNULL) as supervisor:
        until(lambda: [p.state for p in status(tmp_path).processes] == ["running"])
        pid = status(tmp_path).processes[0].pid
        supervisor.terminate()
        assert supervisor.wait(20) == 0
    assert not birth(pid)
    assert json.loads((tmp_path / "state.json").read_text())["processes"] == []


def test_one_data_directory_has_one_supervisor(tmp_path: Path) -> None:
    with state.locked(tmp_path), pytest.raises(Misconfigured, match="already runs"), state.locked(tmp_path):
        pass
    with state.locked(tmp_path):
        pass
