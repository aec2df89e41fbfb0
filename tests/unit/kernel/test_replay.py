"""Replay: what a program gets is what the journal holds, however often and wherever it is cut."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from aios.errors import (
    BudgetSpent,
    EngineFailed,
    ForeignAwaitable,
    NondeterminismError,
    NotJson,
    ProgramBroke,
    ProgramFailed,
)
from aios.kernel.agent import Agent
from aios.kernel.ids import new_id
from aios.kernel.plan import Call
from aios.kernel.replay import Continued, Entry, Raised, Returned, Run
from aios.kernel.words import Pool


class Bench:
    """A kernel in miniature: it keeps a journal and drives a program, from scratch at each step or live."""

    def __init__(self, program, task="t"):
        self.program, self.task = program, task
        self.agent = Agent(id=new_id(), tools=("calculator",))
        self.journal: dict[str, Entry] = {}
        self.asked: list[str] = []

    def issue(self, request):
        if request.local is not None:
            return request.local()
        return (Call(Pool.TOOL, request.op, request.args),)

    def drive(self):
        run = Run(self.program(self.agent, self.task), self.issue)
        self.record(run.advance(dict(self.journal)))
        if run.outcome is None:
            run.evict()
        return run.outcome

    def record(self, issued):
        for item in issued:
            self.asked.append(item.seq)
            self.journal[item.seq] = item.entry or Entry(item.digest, item.request.label, open=True)

    def answer(self, seq, *results, error=None):
        entry = self.journal[seq]
        self.journal[seq] = Entry(entry.digest, entry.label, results=list(results), error=error)


async def two_calls(agent, task):
    first = await agent.tool.call("calculator", expression="1+1")
    second = await agent.tool.call("calculator", expression=f"{first}+1")
    return first + second


def test_a_program_stops_at_its_first_unanswered_request_and_goes_on_from_the_journal():
    bench = Bench(two_calls)
    assert bench.drive() is None
    assert bench.asked == ["1"]
    bench.answer("1", 2)
    assert bench.drive() is None
    assert bench.asked == ["1", "2"]
    bench.answer("2", 3)
    assert bench.drive() == Returned(5)
    assert bench.asked == ["1", "2"], "a finished request was asked again"


def test_a_live_run_gives_the_same_requests_as_a_replay():
    replayed, live = Bench(two_calls), Bench(two_calls)
    run = Run(two_calls(live.agent, "t"), live.issue)
    live.record(run.advance({}))
    replayed.drive()
    for seq, result in (("1", 2), ("2", 3)):
        live.answer(seq, result)
        replayed.answer(seq, result)
        live.record(run.advance(dict(live.journal)))
        outcome = replayed.drive()
    assert live.asked == replayed.asked
    assert run.outcome == outcome == Returned(5)


def test_gathered_branches_are_numbered_by_place_whatever_completes_first():
    async def branch(agent, n):
        got = await agent.tool.call("calculator", expression=str(n))
        return got + await agent.tool.call("calculator", expression=f"{n}{n}")

    async def program(agent, task):
        return await agent.gather(branch(agent, 1), agent.tool.call("calculator", expression="5"), branch(agent, 2))

    bench = Bench(program)
    bench.drive()
    assert bench.asked == ["1.1.1", "1.2.1", "1.3.1"]
    bench.answer("1.3.1", 30)
    bench.drive()
    bench.answer("1.1.1", 10)
    bench.drive()
    assert bench.asked[3:] == ["1.3.2", "1.1.2"]
    for seq in ("1.3.2", "1.2.1", "1.1.2"):
        bench.answer(seq, 1)
    assert bench.drive() == Returned([11, 1, 31])


def test_a_gather_lets_all_branches_settle_and_raises_the_lowest_branchs_error():
    async def program(agent, task):
        try:
            await agent.gather(*(agent.tool.call("calculator", expression=str(n)) for n in range(3)))
        except EngineFailed as error:
            return str(error.args[0])

    bench = Bench(program)
    bench.drive()
    bench.answer("1.3.1", error=EngineFailed("third", ""))
    assert bench.drive() is None, "it did not wait for the other branches"
    bench.answer("1.1.1", 1)
    bench.answer("1.2.1", error=EngineFailed("second", ""))
    assert bench.drive() == Returned("second")


def test_a_diverging_replay_shows_both_sides():
    bench = Bench(two_calls)
    bench.drive()
    bench.answer("1", 2)

    async def changed(agent, task):
        return await agent.memory.search("other")

    bench.program = changed
    with pytest.raises(NondeterminismError, match=r"recorded tool.call .*1\+1.*replayed memory.search .*other"):
        bench.drive()


def test_a_program_that_ends_before_its_journal_does_diverges():
    bench = Bench(two_calls)
    bench.drive()
    bench.answer("1", 2)

    async def shorter(agent, task):
        return 1

    bench.program = shorter
    with pytest.raises(NondeterminismError, match="the end of the program"):
        bench.drive()


def test_a_messages_change_diverges_although_the_arguments_are_equal():
    said = ["hello"]

    async def program(agent, task):
        return (await agent.llm.chat([{"role": "user", "content": said[0]}])).text

    bench = Bench(program)
    bench.drive()
    bench.answer("1", {"message": {"content": "hi"}, "finish_reason": "stop", "usage": {}})
    said[0] = "something else"
    with pytest.raises(NondeterminismError):
        bench.drive()


def test_journalled_helpers_give_a_replay_what_the_first_run_saw():
    seen = []

    async def program(agent, task):
        seen.append(
            (await agent.now(), await agent.random(), await agent.uuid(), await agent.step(lambda: [1, (2, 3)]))
        )
        return await agent.tool.call("calculator", expression="1")

    bench = Bench(program)
    bench.drive()
    bench.answer("5", 1)
    assert bench.drive() == Returned(1)
    assert seen[0][:3] == seen[1][:3]


def test_a_step_that_raises_is_journalled_and_can_be_caught():
    ran = []

    def fail():
        ran.append(1)
        raise ValueError("no")

    async def program(agent, task):
        try:
            await agent.step(fail)
        except ProgramFailed as error:
            caught = str(error)
        await agent.tool.call("calculator", expression="1")
        return caught

    bench = Bench(program)
    bench.drive()
    bench.answer("2", 1)
    assert bench.drive() == Returned("ValueError: no")
    assert ran == [1]


def test_a_programs_own_exception_carries_type_message_and_traceback():
    async def program(agent, task):
        raise LookupError("gone")

    outcome = Bench(program).drive()
    assert isinstance(outcome, Raised)
    kind, text, trace = outcome.error.args
    assert (kind, text) == ("LookupError", "gone")
    assert "raise LookupError" in trace


@pytest.mark.parametrize("exit_", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
def test_a_program_that_exits_fails_its_agent_and_not_its_worker(exit_):
    def leave():
        raise exit_

    async def program(agent, task):
        try:
            await agent.step(leave)
        except ProgramFailed:
            leave()

    with ThreadPoolExecutor(1) as worker:
        outcome = worker.submit(Bench(program).drive).result()
    assert isinstance(outcome, Raised)
    assert outcome.error.args[0] == type(exit_).__name__


def test_ctrl_c_ends_who_plays_a_program():
    async def program(agent, task):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Bench(program).drive()


def test_a_foreign_awaitable_is_a_clear_error_at_the_await():
    class Foreign:
        def __await__(self):
            yield None

    async def program(agent, task):
        await Foreign()

    outcome = Bench(program).drive()
    assert isinstance(outcome, Raised)
    assert isinstance(outcome.error, ForeignAwaitable)
    assert "agent.step" in str(outcome.error)


def test_asyncio_sleep_is_told_to_use_the_agents_own():
    async def program(agent, task):
        await asyncio.sleep(1)

    outcome = Bench(program).drive()
    assert isinstance(outcome, Raised)
    assert isinstance(outcome.error, ForeignAwaitable)


def test_a_result_that_is_no_json_fails_the_agent():
    async def program(agent, task):
        return {1, 2}

    outcome = Bench(program).drive()
    assert isinstance(outcome, Raised)
    assert isinstance(outcome.error, NotJson)


def test_an_argument_that_is_no_json_can_be_caught_and_takes_a_number():
    async def program(agent, task):
        try:
            await agent.tool.call("calculator", expression=object())
        except NotJson:
            return await agent.tool.call("calculator", expression="1")

    bench = Bench(program)
    bench.drive()
    bench.answer("2", 7)
    assert bench.drive() == Returned(7)


def test_finally_blocks_run_at_each_eviction_but_their_requests_only_at_the_end():
    cleaned = []

    async def program(agent, task):
        try:
            return await agent.tool.call("calculator", expression="1")
        finally:
            cleaned.append("before")
            await agent.tool.call("clock")
            cleaned.append("after")

    bench = Bench(program)
    bench.drive()
    assert bench.asked == ["1"]
    assert cleaned == ["before"]
    bench.answer("1", 1)
    bench.drive()
    assert bench.asked == ["1", "2"]
    bench.answer("2", "noon")
    assert bench.drive() == Returned(1)
    assert cleaned.count("after") == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python complains of the program too
def test_a_program_that_swallows_its_eviction_for_ever_is_broken():
    async def program(agent, task):
        while True:
            with contextlib.suppress(BaseException):
                await agent.tool.call("calculator", expression="1")

    with pytest.raises(ProgramBroke):
        Bench(program).drive()


def test_continue_as_new_begins_again_with_the_new_task():
    async def program(agent, task):
        agent.continue_as_new({"round": 2})

    assert Bench(program).drive() == Continued({"round": 2})


def test_patched_is_true_for_new_agents_and_false_for_older_journals():
    async def old(agent, task):
        a = await agent.tool.call("calculator", expression="1")
        return a + await agent.tool.call("calculator", expression="2")

    async def new(agent, task):
        if await agent.patched("three"):
            return await agent.tool.call("calculator", expression="3")
        return await old(agent, task)

    fresh = Bench(new)
    fresh.drive()
    assert fresh.asked == ["1", "2"]
    older = Bench(old)
    older.drive()
    older.program = new
    older.answer("1", 1)
    older.drive()
    older.answer("2", 2)
    assert older.drive() == Returned(3)


def test_a_spent_budget_cannot_be_caught():
    async def program(agent, task):
        try:
            await agent.tool.call("calculator", expression="1")
        except Exception:
            return "caught"

    bench = Bench(program)

    def broke(request):
        raise BudgetSpent("steps", 0, 1)

    bench.issue = broke
    with pytest.raises(BudgetSpent):
        bench.drive()


def test_a_run_that_breaks_off_leaves_no_branch_that_was_never_awaited():
    async def branch(agent):
        return await agent.tool.call("calculator", expression="1")

    async def program(agent, task):
        return await agent.gather(branch(agent), branch(agent))

    bench = Bench(program)

    def broke(request):
        raise BudgetSpent("steps", 0, 1)

    run = Run(program(bench.agent, "t"), broke)
    with pytest.raises(BudgetSpent):
        run.advance({})
    run.evict()
