"""Slices on real engines, a real Postgres and real ready sets: interrupted, killed and robbed, the text is the same."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import text

from aios.db import syscalls
from aios.db.checkpoints import StoredCheckpoints
from aios.errors import AiosError
from aios.kernel.ports import Boundary, Claimed, Token
from aios.kernel.program import program
from aios.kernel.slices import Partial
from aios.llm.executor import LLMExecutor
from aios.llm.slices import Slicer
from aios.llm.tgi import TGIDriver
from aios.settings import LLMSettings
from aios.testing import FakeCheckpoints, FakeSink, FakeToolBox
from tests.integration.worker.world import Crash, World

SETTINGS = LLMSettings(slice_tokens=16, slots=1)
LONG, SHORT = 100, 8


class Core:
    """An engine's process that can be killed and started again where it was."""

    def __init__(self, folder):
        self.folder = folder
        self.url = ""
        self.start()

    def start(self, *options):
        port = self.url.rpartition(":")[2] or "0"
        argv = (sys.executable, "-m", "aios.local.engine", "--backend", "simulated", "--zero-latency")
        where = ("--data-dir", str(self.folder), "--port", port)
        self.process = subprocess.Popen([*argv, *where, *options], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().removeprefix("listening on ").strip()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    @property
    def states(self):
        return sorted((self.folder / "slots").glob("*.kv"))


@pytest.fixture(scope="module")
def core_process(tmp_path_factory):
    core = Core(tmp_path_factory.mktemp("core"))
    yield core
    core.kill()


@pytest.fixture
def core(core_process):
    for state in core_process.states:
        state.unlink()
    return core_process


@program
async def writer(agent, task):
    reply = await agent.llm.complete("Once upon a time", max_tokens=task, temperature=0.8, seed=5)
    return reply.text


class Between:
    """The ready sets' answer, after what a test does meanwhile."""

    def __init__(self, ready):
        self.ready = ready
        self.meanwhile = lambda boundary: None
        self.asked = 0

    def better_waits(self, id_, **options):
        self.asked += 1
        self.meanwhile(self.asked)
        return self.ready.better_waits(id_, **options)


@pytest.fixture
def world(database_url, services, core):
    sink = FakeSink()
    executors = {}
    world = World(database_url, services.redis_url, programs={"writer": writer}, executors=executors)
    object.__setattr__(world.settings, "llm", SETTINGS)
    world.born()
    world.rivals = Between(world.ready)
    world.checkpoints = StoredCheckpoints(world.database)

    def fresh():
        if "llm" in executors:
            executors["llm"].close()
        slicer = Slicer(world.checkpoints, world.rivals)
        driver = TGIDriver(url=core.url, settings=SETTINGS)
        executors["llm"] = LLMExecutor(driver, sink=sink, toolbox=FakeToolBox({}), settings=SETTINGS, slicer=slicer)

    world.fresh = fresh
    fresh()
    yield world
    executors["llm"].close()
    world.close()


def ended(world, agent):
    """The agent's text and the journal's row of its generation."""
    world.run()
    with world.database.statement() as tx:
        row = tx.execute(text("SELECT * FROM syscalls WHERE agent_id = :agent"), {"agent": agent}).mappings().one()
    return _value(world, agent), row


def _value(world, agent):
    with suppress(TimeoutError, AiosError):
        return world.client.result(agent, timeout=0).value


def left(world):
    with world.database.statement() as tx:
        return tx.execute(text("SELECT count(*) FROM checkpoints")).scalar()


@pytest.fixture
def alone(world, core):
    """What the writer says when nobody interrupts it."""
    said, row = ended(world, world.client.submit("writer", LONG))
    assert (row["result"]["slices"], row["result"]["resume"], left(world)) == (7, "kv", 0)
    world.rivals.asked = 0
    return said


def test_a_short_agent_passes_a_long_one_at_its_boundary(world, core, alone):
    order = []

    def meanwhile(asked):
        if asked == 2:
            order.append(("short", world.client.submit("writer", SHORT, priority=0)))
            world.drive.run(order[0][1])

    world.rivals.meanwhile = meanwhile
    agent = world.client.submit("writer", LONG)
    said, row = ended(world, agent)
    assert said == alone
    assert (row["attempt"], row["errors"], row["crashes"], row["result"]["slices"]) == (2, 0, 0, 7)
    (short,) = world.client.journal(order[0][1])
    assert short["finished_at"] < row["finished_at"]
    assert left(world) == 0


@pytest.mark.parametrize("victim", ["worker", "engine", "state", "altered state"])
def test_whatever_is_lost_the_text_is_the_same(world, core, alone, victim):
    def meanwhile(asked):
        if asked != 3:
            return
        if victim == "engine":
            core.kill()
            core.start()
        elif victim == "state":
            for state in core.states:
                state.unlink()
        elif victim == "altered state":
            for state in core.states:
                state.write_bytes(state.read_bytes().replace(b"a", b"b"))
        if victim != "engine":
            raise Crash

    world.rivals.meanwhile = meanwhile
    said, row = ended(world, world.client.submit("writer", LONG))
    assert said == alone
    assert row["attempt"] == (1 if victim == "engine" else 2)
    assert world.rivals.asked == 3 + (6 if "state" in victim else 3)  # from the first token again, or from where it was
    assert left(world) == 0


def test_a_full_disk_cuts_no_answer_short(world, core, alone):
    core.kill()
    core.start()
    (core.folder / "slots").rename(core.folder / "elsewhere")
    (core.folder / "slots").write_text("no folder")
    try:
        said, row = ended(world, world.client.submit("writer", LONG))
    finally:
        (core.folder / "slots").unlink()
        (core.folder / "elsewhere").rename(core.folder / "slots")
    assert said == alone
    assert (row["result"]["slices"], world.rivals.asked) == (7, 0)


def test_a_core_that_keeps_states_no_more_is_asked_as_any_other(world, core, alone):
    def meanwhile(asked):
        core.kill()
        core.start("--state-megabytes", "0")

    world.rivals.meanwhile = meanwhile
    agent = world.client.submit("writer", LONG)
    said, row = ended(world, agent)
    deadline = time.monotonic() + 10
    while (
        row["state"] != "done" and time.monotonic() < deadline
    ):  # after a pause: the loss of a state in mid-way counts
        said, row = ended(world, agent)
    core.kill()
    core.start()
    assert said != alone  # other seeds: one for the whole
    assert (row["result"]["resume"], row["attempt"], left(world)) == ("rerun", 2, 0)


class TestCheckpoints:
    """What every keeper of checkpoints does."""

    @pytest.fixture(params=["fake", "postgres"])
    def kept(self, request):
        """A keeper, a claimed syscall, and what opens the transaction that completes it."""
        call = Claimed(
            id=uuid4(), agent_id=uuid4(), request_id=uuid4(), position=0, pool="llm", op="complete", payload={},
            token=uuid4(), attempt=1, errors=0, priority=5, program="writer", tenant="", seconds_left=30.0,
        )  # fmt: skip
        if request.param == "fake":
            checkpoints = FakeCheckpoints()
            checkpoints.owners[call.id] = call.token
            return checkpoints, call, nullcontext
        world = request.getfixturevalue("world")
        agent = world.client.submit("writer", LONG)
        world.drive.run(agent)
        (row,) = world.client.journal(agent)
        with world.database.statement() as tx:
            call = syscalls.claim(tx, row["id"], token=uuid4(), incarnation=world.incarnation.id)
        return StoredCheckpoints(world.database), call, world.database.transaction

    def boundary(self, number, words=("a", "", "\N{ROCKET}b"), state=None):
        """The boundary after so many slices of three tokens."""
        tokens = [Token(i, i * 7, words[(i - 1) % 3]) for i in range(1, 3 * number + 1)]
        return Boundary(Partial(number, tuple(tokens), state or {"id": f"s{number}"}), fresh=3, seed=number)

    def test_a_generation_is_found_as_it_was_kept_until_it_is_complete(self, kept):
        checkpoints, call, transaction = kept
        assert checkpoints.load(call) is None
        for number in (1, 2, 3):
            assert checkpoints.save(call, self.boundary(number))
        assert checkpoints.load(call) == self.boundary(3).partial
        with transaction() as tx:
            checkpoints.clear(tx, call)
        assert checkpoints.load(call) is None

    def test_one_that_begins_again_forgets_what_was_behind_and_a_stale_claim_keeps_nothing(self, kept):
        checkpoints, call, _ = kept
        for number in (1, 2, 3):
            checkpoints.save(call, self.boundary(number))
        other = self.boundary(1, words=("x", "y", "z"))
        assert checkpoints.save(call, other)
        assert checkpoints.load(call) == other.partial
        assert not checkpoints.save(replace(call, token=uuid4()), self.boundary(2))
        assert checkpoints.load(call) == other.partial
