import asyncio
import threading

import pytest

from aios.llm.loop import LoopThread


@pytest.fixture
def loop():
    thread = LoopThread()
    yield thread
    thread.close()


async def thread_name():
    return threading.current_thread().name


def test_coroutines_run_on_one_thread_of_their_own(loop):
    names = {loop.run(thread_name()) for _ in range(3)}
    assert names == {"aios-llm"}


def test_a_coroutine_that_takes_too_long_is_cancelled(loop):
    ended = threading.Event()

    async def long():
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        loop.run(long(), timeout_seconds=0.05)
    assert ended.wait(2)


def test_closing_cancels_what_runs_and_may_be_done_twice():
    thread, ended, begun = LoopThread(), threading.Event(), threading.Event()

    async def long():
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    future = thread.submit(long())
    assert begun.wait(2)
    thread.close()
    thread.close()
    assert ended.is_set()
    assert future.cancelled()
