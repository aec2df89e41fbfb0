"""What operators rely on, with real processes: two beats, of which one dies, start each tick's agent once; Flower shows the
work behind a password; a new worker has work at once, and one that is told to stop leaves its work to others.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from sqlalchemy import text

from aios.local import commands, ports
from aios.sdk.client import Client
from aios.settings import app_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aios.db.session import Database

pytestmark = pytest.mark.timeout(120)


class Processes:
    """Processes of one test, each with a log; whatever still runs at its end is killed."""

    def __init__(self, folder: Path, **env: str) -> None:
        self._folder = folder
        self._env = {**os.environ, **env}
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, argv: tuple[str, ...], **env: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("wb") as log:
            started = subprocess.Popen(
                argv, cwd=app_dir(), env={**self._env, **env}, stdout=log, stderr=log, start_new_session=True
            )
        self._running.append(started)
        return started

    def beat(self, name: str) -> subprocess.Popen[bytes]:
        folder = self._folder / name
        folder.mkdir()
        return self.start(name, commands.beat(folder))

    def worker(self, name: str, *, pool: str, **env: str) -> subprocess.Popen[bytes]:
        node = ("--hostname", f"{name}@%h", "--queues", pool, "--pool", "threads", "--concurrency", "1", "--events")
        return self.start(name, commands.celery("worker", *node, "--without-gossip", "--without-mingle"), **env)

    def stop(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()


@pytest.fixture
def client(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Client]:
    with Client(database_url=database_url, redis_url=redis_url, data_dir=tmp_path) as opened:
        yield opened


@pytest.fixture
def processes(client: Client, tmp_path: Path) -> Iterator[Processes]:
    settings = client.settings
    made = Processes(
        tmp_path,
        AIOS_DATABASE_URL=settings.database_url,
        AIOS_REDIS_URL=settings.redis_url,
        AIOS_DATA_DIR=str(tmp_path),
    )
    yield made
    made.stop()


def eventually(holds: Callable[[], bool], *, seconds: float = 40.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.1)


def make_due(database: Database) -> None:
    with database.transaction() as tx:
        tx.execute(text("UPDATE schedules SET next_at = clock_timestamp()"))


def test_with_two_beats_and_one_killed_each_tick_starts_one_agent(
    client: Client, database: Database, processes: Processes
) -> None:
    client.schedule("often", "0 0 1 1 *", "echo", "hello")
    beats = [processes.beat("beat-1"), processes.beat("beat-2")]
    workers = [processes.worker("system-1", pool="system"), processes.worker("system-2", pool="system")]
    for tick in range(1, 7):
        make_due(database)
        eventually(lambda count=tick: len(client.schedule_history("often")) >= count)
        if tick == 2:
            beats[0].kill()
        if tick == 4:
            workers[0].kill()
    time.sleep(2.5)  # two more rings: nothing is due, so nothing may start
    assert len(client.schedule_history("often")) == 6
    assert len(client.list()) == 6


KEEPER = """
from aios import Agent, program

@program
async def keeper(agent: Agent, task: str) -> str:
    await agent.storage.write("note.txt", task)
    return task

@program
async def endless(agent: Agent, task: str) -> None:
    while True:
        await agent.memory.stat()
"""


@pytest.fixture
def keeper(tmp_path: Path) -> dict[str, str]:
    """The environment of a worker that has the program `keeper`."""
    folder = tmp_path / "programs" / "keeper"
    folder.mkdir(parents=True)
    (folder / "agent.py").write_text(KEEPER)
    return {"AIOS_AGENTS_PATH": str(folder.parent)}


def test_a_worker_is_given_what_waits_as_soon_as_it_has_started(
    client: Client, processes: Processes, keeper: dict[str, str]
) -> None:
    processes.worker("late", pool="agent,storage", AIOS_WORKER__TICK_SECONDS="3600", **keeper)
    eventually(lambda: bool(client.programs()))
    agent = client.submit("keeper", "hello")
    assert client.result(agent, timeout=30).value == "hello"


def test_a_fused_worker_that_goes_on_by_itself_stops_when_it_is_told_to_and_another_one_goes_on(
    client: Client, processes: Processes, keeper: dict[str, str]
) -> None:
    def steps() -> int:
        return int(client.get(agent)["steps"])

    env = {"AIOS_WORKER__PROFILE": "fused", **keeper}
    first = processes.worker("fused-1", pool="agent,memory", **env)
    eventually(lambda: bool(client.programs()))
    agent = client.submit("endless", "stat")
    eventually(lambda: steps() > 50)
    first.terminate()
    assert first.wait(timeout=5) == 0
    left = steps()
    processes.worker("fused-2", pool="agent,memory", **env)
    eventually(lambda: steps() > left + 50)
    assert {row["attempt"] for row in client.journal(agent)} <= {0, 1}
    client.cancel(agent)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux binds threads to CPUs")
def test_a_fused_worker_keeps_to_one_cpu_unless_tools_run_in_it_or_it_is_told_not_to(
    processes: Processes, database: Database
) -> None:
    def registered() -> int:
        with database.statement() as tx:
            return int(tx.execute(text("SELECT count(*) FROM workers")).scalar_one())

    fused = {"AIOS_WORKER__PROFILE": "fused"}
    others = [
        processes.worker("pools", pool="agent,llm"),
        processes.worker("tools", pool="agent,llm,tool", **fused),
        processes.worker("told", pool="agent,llm", AIOS_WORKER__ONE_CPU="false", **fused),
    ]
    eventually(lambda: registered() == len(others))
    kept = processes.worker("kept", pool="agent,llm", **fused)
    eventually(lambda: len(os.sched_getaffinity(kept.pid)) == 1)  # the others would have chosen before
    assert [os.sched_getaffinity(other.pid) for other in others] == [os.sched_getaffinity(0)] * 3


@contextmanager
def flower(processes: Processes) -> Iterator[str]:
    port = ports.free_port()
    env = {"FLOWER_PORT": str(port), "FLOWER_BASIC_AUTH": "aios:secret"}
    processes.start("flower", commands.flower(), **env)
    eventually(lambda: ports.accepts(port))
    yield f"http://127.0.0.1:{port}"


def test_flower_shows_the_work_of_an_agent_behind_a_password(
    client: Client, processes: Processes, keeper: dict[str, str]
) -> None:
    with flower(processes) as url, httpx.Client(base_url=url, auth=("aios", "secret"), trust_env=False) as web:
        processes.worker("light-1", pool="agent,storage", **keeper)
        eventually(lambda: bool(client.programs()))
        agent = client.submit("keeper", "hello")
        assert client.result(agent, timeout=30).value == "hello"
        eventually(lambda: "aios.storage.write" in {task["name"] for task in web.get("/api/tasks").json().values()})
        for path in ("/api/tasks", "/api/workers", "/tasks", "/"):
            assert httpx.get(url + path, trust_env=False).status_code == 401, path
            assert httpx.get(url + path, auth=("aios", "wrong"), trust_env=False).status_code == 401, path
        (task, *_) = web.get("/api/tasks", params={"taskname": "aios.agent.resume"}).json().values()
        assert (task["name"], task["state"], task["received"] > 0) == ("aios.agent.resume", "SUCCESS", True)
        assert agent in task["args"]
        page = web.get("/tasks").text
        assert all(f'data-column="{column}"' in page for column in ("name", "args", "state", "runtime", "worker"))
        (worker,) = web.get("/api/workers", params={"refresh": "true"}).json()
        assert worker.startswith("light-1@")
        assert web.post(f"/api/worker/shutdown/{worker}").status_code == 403  # it only looks


def test_flower_refuses_to_show_itself_to_a_network_without_a_password(processes: Processes, tmp_path: Path) -> None:
    refused = processes.start("flower", commands.flower(), FLOWER_ADDRESS="0.0.0.0", FLOWER_PORT="0")
    assert refused.wait(timeout=30) != 0
    assert "set FLOWER_BASIC_AUTH" in (tmp_path / "flower.log").read_text()
