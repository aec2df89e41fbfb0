"""What can happen in an agent's life, on a real Postgres: each ends as the kernel promises."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event

from aios.db import workers
from aios.errors import ChildFailed, EngineFailed, EngineOverloaded, NotFound, QueueFull, UnknownProgram, ValueTooLong
from aios.kernel.chat import Usage
from aios.kernel.plan import ToolInfo
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from aios.kernel.words import Effect
from aios.settings import LimitSettings
from tests.integration.worker.world import Crash, World


class Tool:
    """Answers tool calls as a test tells it to."""

    def __init__(self):
        self.calls = 0
        self.errors = []
        self.meanwhile = lambda call: None

    def perform(self, call):
        self.calls += 1
        self.meanwhile(call)
        if self.errors:
            raise self.errors.pop(0)
        return Outcome(result=call.payload["arguments"])

    def cancel(self, syscall):
        pass


class Model:
    def perform(self, call):
        message = {"role": "assistant", "content": "yes"}
        return Outcome(result={"finish_reason": "stop"}, message=message, usage=Usage(30, 10))

    def cancel(self, syscall):
        pass


@program(tools=["plain", "once"])
async def one_call(agent, task):
    return await agent.tool.call(task, x=1)


@program
async def three_steps(agent, task):
    return [await agent.random() > 2, await agent.random() > 2, await agent.random() > 2]


@program(tools=["plain"])
async def lengthy(agent, task):
    if task["where"] == "result":
        return "y" * task["length"]
    try:
        return len((await agent.tool.call("plain", x="y" * task["length"]))["x"])
    except ValueTooLong as error:
        return str(error)


@program
async def talker(agent, task):
    return [(await agent.llm.chat("again")).text for _ in range(task)]


@program
async def family(agent, task):
    children = [await agent.spawn("one_call", "plain") for _ in range(task)]
    return await agent.gather(*(agent.wait(child) for child in children))


@program
async def sleeper(agent, task):
    await agent.sleep(3600)


@program
async def counter(agent, task):
    if task < 3:
        agent.continue_as_new(task + 1)
    await agent.now()
    return task


@program
async def asker(agent, task):
    return await agent.ask("Really?", choices=["yes", "no"])


@program
async def forgiving(agent, task):
    try:
        return await agent.wait(await agent.spawn(task, "plain"))
    except (ChildFailed, UnknownProgram) as error:
        return type(error).__name__


@program
async def fails(agent, task):
    raise ValueError(task)


PROGRAMS = (one_call, three_steps, talker, family, sleeper, counter, asker, forgiving, fails, lengthy)


@pytest.fixture
def tool():
    return Tool()


@pytest.fixture
def world(database_url, redis_url, tool):
    made = World(
        database_url,
        redis_url,
        programs={p.name: p for p in PROGRAMS},
        executors={"tool": tool, "llm": Model()},
        tools={"plain": ToolInfo("plain"), "once": ToolInfo("once", Effect.ONCE)},
    )
    rows = [
        {"name": p.name, "version": "1", "source": "test", "summary": "", "tools": [], "error": None} for p in PROGRAMS
    ]
    with made.database.transaction() as tx:
        workers.publish_programs(tx, rows)
    yield made
    made.close()


def end(world, program, task, **options):
    agent = world.client.submit(program, task, **options)
    world.run()
    return world.client.result(agent, timeout=0)


def sql(world, statement):
    with world.database.transaction() as tx:
        return tx.exec_driver_sql(statement)


# --- budgets ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "task", "budgets"),
    [
        ("three_steps", "x", {"steps": 2}),
        ("talker", 3, {"tokens": 50}),
        ("family", 3, {"children": 2}),
        ("family", 3, {"steps": 1}),
    ],
)
def test_the_first_budget_spent_ends_the_agent_with_its_name(world, program, task, budgets):
    result = end(world, program, task, budgets=budgets)
    assert result.state == "failed"
    assert result.error["type"] == "BudgetSpent"
    assert next(iter(budgets)) in result.error["message"]


def test_budgets_that_suffice_are_not_felt(world):
    assert end(world, "talker", 2, budgets={"tokens": 81, "steps": 2}).value == ["yes", "yes"]


def test_an_agent_past_its_wall_time_is_ended_while_it_waits(world):
    agent = world.client.submit("sleeper", "x", budgets={"seconds": 0.01})
    world.run()
    world.recovery.tick()
    result = world.client.result(agent, timeout=0)
    assert (result.state, result.error["type"]) == ("failed", "BudgetSpent")
    assert sql(world, "SELECT state FROM syscalls").scalars().all() == ["cancelled"]


# --- submitting -----------------------------------------------------------------------------------------------------------


def test_one_idempotency_key_is_one_agent_however_often_and_from_wherever_it_is_submitted(world):
    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(lambda _: world.client.submit("one_call", "plain", idempotency_key="k"), range(40)))
    assert len(ids) == 1
    assert sql(world, "SELECT count(*) FROM agents").scalar() == 1


def test_a_submit_that_is_repeated_by_its_key_gives_its_agent_though_the_queue_is_full(world):
    world.client.settings = world.settings.model_copy(update={"limits": LimitSettings(queued_agents=1)})
    agent = world.client.submit("one_call", "plain", idempotency_key="k")
    with pytest.raises(QueueFull):
        world.client.submit("one_call", "plain")
    assert world.client.submit("one_call", "plain", idempotency_key="k") == agent


def test_a_full_queue_is_said(world):
    world.client.settings = world.settings.model_copy(update={"limits": LimitSettings(queued_agents=2)})
    for _ in range(2):
        world.client.submit("one_call", "plain")
    with pytest.raises(QueueFull, match="2 agents already wait"):
        world.client.submit("one_call", "plain")


# --- programs ------------------------------------------------------------------------------------------------------------


def test_continue_as_new_begins_again_with_an_empty_journal(world):
    result = end(world, "counter", 0)
    assert result.value == 3
    assert sql(world, "SELECT generation FROM agents").scalar() == 3
    assert sql(world, "SELECT generation, seq FROM requests").all() == [(3, "1")]


def test_a_question_waits_for_a_human_and_takes_only_its_choices(world):
    agent = world.client.submit("asker", "x")
    world.run()
    assert world.client.get(agent)["state"] == "waiting"
    with pytest.raises(Exception, match="'yes', 'no'"):
        world.client.answer(agent, "maybe")
    world.client.answer(agent, "yes")
    world.run()
    assert world.client.result(agent, timeout=0).value == "yes"
    with pytest.raises(NotFound):
        world.client.answer(agent, "no")


def test_of_two_who_answer_one_question_at_once_one_is_told_that_it_is_answered(world):
    agent = world.client.submit("asker", "x")
    world.run()
    others = iter([lambda: world.client.answer(agent, "yes")])

    def answer_meanwhile(*_):
        for answer in others:
            answer()

    event.listen(world.client._parts.database.engine, "after_cursor_execute", answer_meanwhile)
    with pytest.raises(NotFound, match="no open question"):
        world.client.answer(agent, "no")
    world.run()
    assert world.client.result(agent, timeout=0).value == "yes"


@pytest.mark.parametrize(("child", "error"), [("fails", "ChildFailed"), ("nobody", "UnknownProgram")])
def test_a_childs_failure_is_the_parents_to_catch(world, child, error):
    assert end(world, "forgiving", child).value == error


def test_a_changed_program_goes_on_until_it_diverges_and_retry_goes_on_after_the_fix(world, tool):
    def hide(call):
        world.drive.programs["one_call"] = other
        world.drive.live.close()  # as a new process

    @program(tools=["plain"], name="one_call")
    async def other(agent, task):
        return await agent.tool.call(task, x=2)

    tool.meanwhile = hide
    agent = world.client.submit("one_call", "plain")
    world.run()
    result = world.client.result(agent, timeout=0)
    assert result.error["type"] == "NondeterminismError"
    assert '"x": 1' in result.error["message"]
    assert '"x": 2' in result.error["message"]
    world.drive.programs["one_call"] = one_call
    world.client.retry(agent)
    world.run()
    assert world.client.result(agent, timeout=0).value == {"x": 1}
    assert tool.calls == 1, "a finished syscall was repeated"


# --- cancelling -----------------------------------------------------------------------------------------------------------


def test_cancel_reaches_children_and_what_they_have_open_and_fences_what_still_runs(world, tool):
    agent = world.client.submit("family", 3)
    cancelled = []
    tool.meanwhile = lambda call: cancelled.extend(world.client.cancel(agent)) if not cancelled else None
    world.run()
    assert len(cancelled) == 4
    assert set(sql(world, "SELECT state FROM agents").scalars()) == {"cancelled"}
    assert set(sql(world, "SELECT state FROM syscalls").scalars()) == {"cancelled"}
    assert world.client.counters()["fenced"] == 1, "the call that ran during the cancel wrote its result"
    assert tool.calls == 1


# --- failing syscalls -----------------------------------------------------------------------------------------------------


def due(world):
    """Retries' times have come."""
    for _ in range(20):
        sql(
            world,
            "UPDATE syscalls SET not_before = clock_timestamp() WHERE state = 'queued' AND not_before IS NOT NULL",
        )
        world.run()


def test_a_transient_error_is_retried_and_leaves_no_trace_in_the_result(world, tool):
    tool.errors = [EngineFailed("c", "broke"), EngineFailed("c", "broke")]
    agent = world.client.submit("one_call", "plain")
    world.run()
    due(world)
    assert world.client.result(agent, timeout=0).value == {"x": 1}
    row = world.client.journal(agent)[0]
    assert (row["attempt"], row["errors"], row["error"]) == (3, 2, None)


def test_the_limit_of_errors_fails_the_syscall_with_the_last_one(world, tool):
    tool.errors = [EngineFailed("c", f"error {i}") for i in range(9)]
    agent = world.client.submit("one_call", "plain")
    world.run()
    due(world)
    result = world.client.result(agent, timeout=0)
    assert result.error["type"] == "AttemptsSpent"
    assert "error 4" in result.error["message"]
    assert tool.calls == 5


def test_an_overloaded_engine_uses_up_nothing(world, tool):
    tool.errors = [EngineOverloaded("c", 0.01) for _ in range(9)]
    agent = world.client.submit("one_call", "plain")
    world.run()
    due(world)
    assert world.client.result(agent, timeout=0).value == {"x": 1}
    assert world.client.journal(agent)[0]["errors"] == 0


def test_a_syscall_past_its_deadline_whose_worker_does_not_end_it_is_ended_by_recovery(world, tool):
    def overrun(call):
        sql(world, "UPDATE syscalls SET deadline_at = clock_timestamp() - interval '1 hour'")
        world.recovery.tick()

    tool.meanwhile = overrun
    result = end(world, "one_call", "plain")
    assert result.error["type"] == "SyscallExpired"


# --- crashes --------------------------------------------------------------------------------------------------------------


def crash(call):
    raise Crash


def test_a_tool_declared_once_whose_worker_died_in_it_is_not_repeated(world, tool):
    tool.meanwhile = crash
    result = end(world, "one_call", "once")
    assert result.error["type"] == "OutcomeUnknown"
    assert sql(world, "SELECT state FROM syscalls").scalars().all() == ["unknown"]
    assert tool.calls == 1


def test_a_syscall_that_kills_every_worker_is_quarantined_and_others_go_on(world, tool):
    object.__setattr__(world.settings.retry, "crashes", 5)
    tool.meanwhile = crash
    agent = world.client.submit("one_call", "plain")
    for _ in range(8):
        world.run()
    assert world.client.result(agent, timeout=0).error["type"] == "Quarantined"
    assert tool.calls == 5
    tool.meanwhile = lambda call: None
    assert end(world, "one_call", "plain").value == {"x": 1}


@program
async def keeper(agent, task):
    value = await agent.step(lambda: {"z": 1e16, "a": [1.0, 2]})
    shown = [f"{value}", f"{value['z']!r}"]
    await agent.sleep(0)
    return [shown, f"{value}", f"{value['z']!r}"]


def test_a_replay_sees_a_steps_value_to_the_letter(world):
    """jsonb would sort the fields its own way and make a whole number of 1e16: a program that prints it would diverge."""
    world.drive.programs["keeper"] = keeper
    agent = world.client.submit("three_steps", "x")
    sql(world, "UPDATE agents SET program = 'keeper'")
    for _ in range(3):
        world.run()
        world.recovery.tick()
    first, text, number = world.client.result(agent, timeout=0).value
    assert first == [text, number]
    assert number == "1e+16"


def test_a_value_that_the_journal_does_not_take_is_said_to_the_program_or_ends_it(world):
    assert end(world, "lengthy", {"where": "argument", "length": 1000}).value == 1000
    told = end(world, "lengthy", {"where": "argument", "length": 4_000_000}).value
    assert "an argument of tool.call is 40000" in told
    assert "keep it in a file" in told
    ended = end(world, "lengthy", {"where": "result", "length": 4_000_000})
    assert ended.state == "failed"
    assert "the program's result is 4000002 bytes long" in str(ended.error)
