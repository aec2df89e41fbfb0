from __future__ import annotations

import asyncio
import inspect
import time
from uuid import uuid4

import pytest

from aios.errors import NotFound
from aios.sdk import aio
from aios.sdk.aio import AsyncClient
from aios.sdk.client import Client


def public(kind: type) -> dict[str, inspect.Signature]:
    found = {name: member for name, member in inspect.getmembers(kind, callable) if not name.startswith("_")}
    return {name: inspect.signature(member) for name, member in found.items()}


def test_it_offers_exactly_the_clients_methods_with_the_same_parameters() -> None:
    one, other = public(Client), public(AsyncClient)
    other["close"] = other.pop("aclose")
    assert one.keys() == other.keys()
    for name, signature in one.items():
        assert list(signature.parameters.values()) == list(other[name].parameters.values()), name


@pytest.fixture
def call(client):
    """Run a coroutine function on a client of its own."""

    def run(work):
        async def whole():
            async with AsyncClient(client.settings) as opened:
                return await work(opened)

        return asyncio.run(whole())

    return run


def test_an_agent_is_submitted_found_seen_and_cancelled(call) -> None:
    async def work(client):
        agent = await client.submit("echo", "hello", priority=2)
        assert await client.find("last") == agent
        assert [row["priority"] for row in await client.list()] == [2]
        assert (await client.get(agent))["task"] == "hello"
        assert await client.journal(agent) == []
        assert await client.cancel(agent) == [agent]
        return await client.result(agent)

    assert call(work).state == "cancelled"


def test_who_waits_holds_no_thread(call, monkeypatch) -> None:
    monkeypatch.setattr(aio, "_THREADS", 1)

    async def work(client):
        agent = await client.submit("echo", "hello")
        waits = [asyncio.create_task(client.result(agent)) for _ in range(8)]
        await asyncio.sleep(0.2)
        start = time.monotonic()
        for _ in range(3):
            await client.get(agent)
        seconds = time.monotonic() - start
        await client.cancel(agent)
        assert {result.state for result in await asyncio.gather(*waits)} == {"cancelled"}
        return seconds

    assert call(work) < 8  # seconds; were each look as long as a second, it would be 24


def test_a_result_that_does_not_come_is_given_up_in_time(call) -> None:
    async def work(client):
        agent = await client.submit("echo", "hello")
        start = time.monotonic()
        found = await client.result(agent, timeout=1.5)
        return found.ended, time.monotonic() - start

    ended, seconds = call(work)
    assert not ended
    assert 1.4 < seconds < 6


def test_texts_are_streamed_while_other_coroutines_run(call, journal) -> None:
    async def work(client):
        async def answer():
            syscall = await asyncio.to_thread(journal.call, state="running", attempt=1)
            await asyncio.to_thread(journal.says, syscall, "Hel", "lo")
            await asyncio.to_thread(journal.stops, syscall)
            await asyncio.to_thread(journal.done, syscall, "Hello")
            await asyncio.to_thread(journal.ends)

        async with asyncio.TaskGroup() as group:
            group.create_task(answer())
            return "".join([text async for text in client.stream(journal.agent)])

    assert call(work) == "Hello"


def test_a_cancelled_wait_leaves_no_thread_behind_for_long(call) -> None:
    async def work(client):
        agent = await client.submit("echo", "hello")
        waits = [asyncio.create_task(client.result(agent)), asyncio.create_task(anext(client.stream(agent)))]
        await asyncio.sleep(0.3)
        for wait in waits:
            wait.cancel()
        return await asyncio.gather(*waits, return_exceptions=True)

    start = time.monotonic()
    assert all(isinstance(found, asyncio.CancelledError) for found in call(work))
    assert time.monotonic() - start < 10


def test_errors_are_the_clients(call) -> None:
    with pytest.raises(NotFound):
        call(lambda client: client.get(str(uuid4())))
