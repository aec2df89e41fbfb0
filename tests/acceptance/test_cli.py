"""The command line as a user has it: a system of real processes brought up, used, misused and brought down.

Most commands run in this process: each process of its own would take a second of CPU to load the same libraries.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from aios.db import workers
from aios.sdk.client import Client
from tests.cli import Answer, aios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(240)

PROGRAMS = {
    "asks": """
        @program
        async def asks(agent, task):
            answer = await agent.ask("Which?", choices=["left", "right"])
            return {"answer": answer}
    """,
    "sleeps": """
        @program
        async def sleeps(agent, task):
            await agent.sleep(3600)
    """,
    "breaks": """
        @program
        async def breaks(agent, task):
            raise ValueError("it broke on purpose")
    """,
    "spoilt": "def spoilt(:",
}


__all__ = ["aios"]


class Cli:
    """`aios ...` in a process of its own, on one data directory."""

    def __init__(self, data_dir: Path, agents: Path) -> None:
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("AIOS_")}
        self.env |= {"AIOS_DATA_DIR": str(data_dir), "AIOS_AGENTS_PATH": str(agents), "AIOS_EMBEDDER": "hashing"}
        self.data_dir = data_dir

    def __call__(self, *arguments: str, stdin: str = "", timeout: float = 60) -> Answer:
        done = subprocess.run(
            self.argv(*arguments),
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            cwd=self.data_dir,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(self.argv(*arguments), env=self.env, stdout=pipe, stderr=pipe, text=True)

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "aios", *arguments]

    def submit(self, program: str, task: str = "x") -> str:
        with Client(data_dir=self.data_dir) as client:
            return client.submit(program, task)

    def until(self, condition: Callable[[Client], bool], *, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        with Client(data_dir=self.data_dir) as client:
            while not condition(client):
                assert time.monotonic() < end
                time.sleep(0.1)


def capacity(client: Client) -> dict[str, int]:
    with client._parts.database.transaction() as tx:
        return workers.capacity(tx)


@pytest.fixture(scope="module")
def cli(tmp_path_factory) -> Iterator[Cli]:
    agents = tmp_path_factory.mktemp("agents")
    for name, code in PROGRAMS.items():
        (agents / name).mkdir()
        lines = [line.removeprefix("        ") for line in code.splitlines()]
        (agents / name / "agent.py").write_text("\n".join(["from aios import program", *lines]))
    cli = Cli(tmp_path_factory.mktemp("data"), agents)
    up = cli("up", "--detach", "--backend", "simulated", "--no-flower", timeout=150)
    assert up.code == 0, up.err
    pids = [process["pid"] for process in cli("status", "--json").json["processes"]]
    try:
        yield cli
    finally:
        down = cli("down", timeout=90)
    assert down.code == 0
    assert "worker-agent" in down.err
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert cli("status", "--json").json["processes"] == []


@pytest.fixture
def here(cli, aios, monkeypatch) -> Callable[..., Answer]:
    """`aios ...` in this process, on the same system."""
    for name in ("AIOS_DATA_DIR", "AIOS_AGENTS_PATH", "AIOS_EMBEDDER"):
        monkeypatch.setenv(name, cli.env[name])
    return aios


def test_a_program_is_run_to_its_result(cli) -> None:
    answer = cli("run", "echo", "Say hello.")
    assert answer.code == 0, answer.err
    assert answer.out.strip()
    assert re.fullmatch(r"agent [0-9a-f-]{36}\n", answer.err)


def test_submit_prints_an_id_that_result_takes(cli, here) -> None:
    agent = cli("submit", "echo", "-", "--priority", "1", stdin="from standard input").out.strip()
    answer = here("result", agent, "--timeout", "30", "--json")
    assert answer.code == 0
    assert answer.json.keys() == {"id", "state", "result", "error"}
    assert (answer.json["id"], answer.json["state"], answer.json["error"]) == (agent, "done", None)
    assert answer.json["result"]


def test_ps_and_show_keep_to_the_shapes_that_scripts_rely_on(cli, here) -> None:
    agent = cli.submit("echo", "hello")
    here("result", agent)
    newest = here("ps", "--json").json[0]
    assert newest.keys() == {"id", "program", "state", "priority", "created_at"}
    assert (newest["id"], newest["program"], newest["state"], newest["priority"]) == (agent, "echo", "done", 5)
    shown = here("show", "last", "--json").json
    assert shown.keys() == {"agent", "syscalls"}
    assert (shown["agent"]["id"], shown["agent"]["task"]) == (agent, "hello")
    (call,) = shown["syscalls"]
    assert call.keys() == {"seq", "kind", "op", "state", "attempt", "waiting_ms", "running_ms"}
    assert (call["seq"], call["kind"], call["op"], call["state"], call["attempt"]) == ("1", "llm", "chat", "done", 1)
    assert call["waiting_ms"] >= 0
    assert call["running_ms"] > 0
    assert re.search(rf"^{agent} +echo +done +5 ", here("ps").out, re.MULTILINE)
    table = here("show", agent).out
    assert re.search(r"^1 +llm\.chat +done +1 +\d", table, re.MULTILINE)
    assert re.search(r"^in all +1 syscalls, waiting .*, running ", table, re.MULTILINE)


def test_an_unknown_program_is_one_clear_line_and_code_2(cli) -> None:
    answer = cli("submit", "ecko", "x")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "aios: unknown program 'ecko'; did you mean 'echo'?\n"


def test_status_names_processes_urls_and_the_data_directory(cli, here) -> None:
    status = here("status", "--json").json
    assert status.keys() == {"processes", "urls", "data_dir"}
    assert status["data_dir"] == str(cli.data_dir)
    assert {p["pool"] for p in status["processes"]} >= {"agent", "llm", "memory", "storage", "tool", "system"}
    assert all(p.keys() == {"name", "pool", "pid", "state"} and p["state"] == "running" for p in status["processes"])
    assert status["urls"].keys() == {"database", "database_owner", "redis", "engine"}


def test_logs_give_what_the_result_says(cli, here) -> None:
    agent = cli.submit("echo", "hello")
    followed = here("logs", "-f", agent)
    assert followed.code == 0
    text = here("result", agent).out
    assert followed.out == f"--- 1 llm.chat\n{text}"
    assert here("logs", agent[-12:]).out == followed.out


def test_a_programs_own_error_is_told_with_code_1(cli, here) -> None:
    answer = cli("run", "breaks", "x")
    assert (answer.code, answer.out) == (1, "")
    assert "failed: ProgramFailed: ValueError: it broke on purpose" in answer.err
    failed = here("result", "last", "--json")
    assert (failed.code, failed.json["state"], failed.json["result"]) == (1, "failed", None)
    assert failed.json["error"]["args"][:2] == ["ValueError", "it broke on purpose"]
    assert here("retry", "last").code == 0
    assert here("result", "last").code == 1


def test_a_spoilt_program_is_listed_with_its_error_and_harms_no_other(here) -> None:
    rows = {row["name"]: row for row in here("programs", "--json").json}
    assert rows.keys() >= {"echo", "asks", "sleeps", "breaks", "spoilt"}
    assert "SyntaxError" in rows["spoilt"]["error"]
    assert rows["echo"]["error"] is None
    assert re.search(r"^spoilt .*ERROR: SyntaxError", here("programs").out, re.MULTILINE)
    assert {row["name"] for row in here("programs", "--tools", "--json").json} >= {"calculator", "clock"}


def test_an_agents_question_is_answered(cli, here) -> None:
    agent = cli.submit("asks")
    cli.until(lambda client: client.get(agent)["state"] == "waiting")
    (question,) = (row for row in here("questions", "--json").json if row["agent_id"] == agent)
    assert (question["question"], question["choices"]) == ("Which?", ["left", "right"])
    assert here("answer", agent, "up").code == 2
    assert here("answer", agent, "left").code == 0
    assert here("result", agent, "--json").json["result"] == {"answer": "left"}


def test_a_killed_agent_is_cancelled(cli, here) -> None:
    agent = cli.submit("sleeps")
    assert here("kill", agent).out == f"{agent}\n"
    assert here("result", agent, "--json").json["state"] == "cancelled"
    assert here("kill", agent).code == 2


def test_who_stops_waiting_leaves_the_agent_running(cli, here) -> None:
    watching = cli.start("run", "sleeps", "x")
    assert watching.stderr is not None
    agent = watching.stderr.readline().split()[1]
    cli.until(lambda client: client.get(agent)["state"] == "waiting")
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=20)
    assert watching.returncode == 130
    assert f"agent {agent} goes on; see `aios logs -f {agent}`" in said
    looked = here("result", agent, "--timeout", "0", "--json")
    assert (looked.code, looked.json["state"]) == (1, "waiting")
    here("kill", agent)


def test_a_further_worker_serves_and_leaves(cli) -> None:
    worker = cli.start("worker", "llm,memory", "--concurrency", "3")
    try:
        cli.until(lambda client: capacity(client)["llm"] == 11)
    finally:
        worker.terminate()
        worker.communicate(timeout=30)
    assert worker.returncode == 0


def test_a_worker_that_is_told_to_stop_while_it_starts_leaves_nothing_behind(cli) -> None:
    told = """
        import os, signal
        from celery import signals
        from tasks.application import app

        @signals.celeryd_after_setup.connect(weak=False)
        def stop(**_): os.kill(os.getpid(), signal.SIGTERM)

        app.worker_main(["worker", "-Q", "llm", "--pool", "threads", "--concurrency", "3", "--hostname", "brief@%h"])
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(told)], env=cli.env, timeout=60, check=False)
    assert ended.returncode == 0
    with Client(data_dir=cli.data_dir) as client:
        assert capacity(client)["llm"] == 8


def test_the_doctor_names_the_spoilt_program_and_nothing_else(here) -> None:
    answer = here("doctor", "--json")
    wrong = [check["name"] for check in answer.json["checks"] if check["state"] != "ok"]
    assert (answer.code, answer.json["ok"], wrong) == (1, False, ["programs"])
    assert "aios programs" in answer.json["checks"][-3]["remedy"]


def test_help_is_quick_as_it_loads_none_of_the_heavy_libraries(cli) -> None:
    code = "import sys, aios.cli.main; print(*{'sqlalchemy', 'celery', 'alembic', 'rich', 'redis'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], env=cli.env, capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert cli("--help").code == 0
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 0.6  # CPU: a busy machine does not count


def test_who_only_looks_does_not_wait_for_celery(cli) -> None:
    run = [sys.executable, "-X", "importtime", "-m", "aios", "ps"]
    told = subprocess.run(run, env=cli.env, capture_output=True, text=True, check=True).stderr
    loaded = {line.rpartition("|")[2].strip() for line in told.splitlines()}
    assert "aios.db.views" in loaded
    assert loaded & {"celery", "kombu", "alembic", "aios.worker.drive"} == set()


def test_two_systems_side_by_side_know_nothing_of_each_other(cli, here, tmp_path) -> None:
    assert here("status", "--json", "--data-dir", str(tmp_path)).json["processes"] == []
    answer = here("ps", "--data-dir", str(tmp_path))
    assert (answer.code, answer.err) == (
        1,
        "aios: no database is configured; run `aios up`, or set AIOS_DATABASE_URL\n",
    )
    again = cli("up", "--detach")
    assert again.code == 1
    assert "a system already runs on" in again.err
