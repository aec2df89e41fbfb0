"""Files as a program sees them, through the whole kernel: planned, journalled, claimed, completed."""

from __future__ import annotations

import time

import pytest

from aios.errors import DeniedError, PathDenied, VersionConflict
from aios.kernel.chat import Usage
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from aios.storage.executor import StorageExecutor
from tests.integration.worker.world import World


@program
async def clerk(agent, task):
    """Use every operation once, and some twice."""
    disk, told = agent.storage, {}
    await disk.mkdir("box")
    first = await disk.create("box/a.txt", "one\n")
    await disk.append("box/a.txt", "two\n")
    try:
        await disk.write("box/a.txt", "late", expect=first.version)
    except VersionConflict as error:
        told["conflict"] = str(error)
    told["part"] = await disk.read("box/a.txt", start=4, length=3)
    await disk.write("box/b.bin", b"\x00\xff")
    told["bytes"] = list(await disk.read_bytes("box/b.bin"))
    await disk.copy("box", "copy")
    await disk.move("copy/a.txt", "c.txt")
    await disk.rollback("box/a.txt", 1)
    told["back"] = await disk.read("box/a.txt")
    told["diff"] = await disk.diff("box/a.txt")
    told["history"] = [version["op"] for version in await disk.history("box/a.txt")]
    told["size"] = (await disk.stat("c.txt"))["size"]
    await disk.delete("copy", everything=True)
    told["list"] = [file.path.rpartition("/")[2] for file in await disk.list("**", folders=True)]
    return told


@program
async def burglar(agent, task):
    """Try to reach what is not its own; gives the errors."""
    errors = []
    for attempt in (
        agent.storage.read(f"{task}secret"),
        agent.storage.write(f"{task}secret", "mine"),
        agent.storage.delete(f"{task}secret"),
        agent.storage.copy(f"{task}secret", "loot"),
        agent.storage.move(f"{task}secret", "loot"),
        agent.storage.write("bait", "x"),
        agent.storage.copy("bait", f"{task}planted"),
        agent.storage.list(f"{task}**"),
        agent.storage.history(f"{task}secret"),
        agent.storage.rollback(f"{task}secret"),
        agent.storage.read("../secret"),
        agent.storage.read("/etc/passwd"),
    ):
        try:
            await attempt
            errors.append("none")
        except DeniedError as error:
            errors.append(type(error).__name__)
    return errors


@program
async def reader_of(agent, task):
    """Have texts summarised; gives the summaries."""
    await agent.storage.write("long.md", "A sentence of a long text. " * 300)
    first = await agent.storage.summarise("long.md", words=20)
    await agent.storage.copy("long.md", "copy.md")
    again = await agent.storage.summarise("copy.md", words=20)
    await agent.storage.append("copy.md", "One more.")
    other = await agent.storage.summarise("copy.md", words=20)
    return [[one.text, one.kept, one.characters, one.of] for one in (first, again, other)]


@program
async def keeper(agent, task):
    return (await agent.storage.write("secret", "s")).path


class Model:
    """Says how much it was asked to read."""

    def perform(self, call):
        said = f"{len(call.messages[-1]['content'])} characters"
        message = {"role": "assistant", "content": said}
        return Outcome(result={"finish_reason": "stop"}, message=message, usage=Usage(1, 1))

    def cancel(self, syscall):
        pass


@pytest.fixture
def make_world(database_url, redis_url):
    worlds = []

    def make(**options):
        programs = {program.name: program for program in (clerk, burglar, keeper, reader_of)}
        executors = {"storage": StorageExecutor(), "llm": Model()}
        worlds.append(World(database_url, redis_url, programs=programs, executors=executors, **options))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


def value(world, program, task="x"):
    agent = world.client.submit(program, task)
    end = time.monotonic() + 60
    while not world.client.result(agent, timeout=0).ended and time.monotonic() < end:
        world.run()  # it ends when nothing rings; a bell that died with its worker rings again some seconds later
    return world.client.result(agent, timeout=0).unwrap()


EXPECTED = {
    "part": "two",
    "bytes": [0, 255],
    "back": "one\n",
    "history": ["rollback", "append", "write"],
    "size": 8,
    "list": ["box", "a.txt", "b.bin", "c.txt"],
}


def test_a_program_uses_every_operation(make_world):
    told = value(make_world(), "clerk")
    assert EXPECTED.items() <= told.items()
    assert "is at version 2, not at version 1" in told["conflict"]
    assert "-two" in told["diff"]


def test_with_workers_that_die_at_random_commits_no_version_is_lost_or_doubled(make_world):
    told = value(make_world(seed=3, crash=0.05), "clerk")
    assert EXPECTED.items() <= told.items()


def test_fault_17_no_agent_reads_or_writes_outside_its_own_files(make_world, database):
    world = make_world()
    path = value(world, "keeper")
    errors = value(world, "burglar", path.removesuffix("secret"))
    assert [n for n, error in enumerate(errors) if error == "none"] == [5]  # its own bait
    with database.transaction() as tx:
        found = tx.exec_driver_sql("SELECT path FROM files WHERE NOT deleted").scalars().all()
    assert sorted(name.rpartition("/")[2] for name in found) == ["bait", "secret"]
    assert PathDenied.__name__ in errors[-2:]


def test_a_summary_is_made_part_by_part_and_once_for_each_content(make_world, database):
    first, again, other = value(make_world(), "reader_of")
    assert first[1:] == [False, 8100, 8100]
    assert again == [first[0], True, 0, 0]
    assert other[1] is False
    with database.transaction() as tx:
        calls = tx.exec_driver_sql("SELECT count(*) FROM syscalls WHERE pool = 'llm'").scalar()
    assert calls == 2 * (3 + 1)  # three parts and the whole, of each content
