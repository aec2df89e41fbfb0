"""`play`: a program in a test does what it does on workers, and what would fail there after a crash fails here."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from aios import AutoMemory, Reply, ToolCall, program
from aios.errors import (
    AttemptsSpent,
    BadToolArguments,
    BudgetSpent,
    ChildFailed,
    EngineFailed,
    InvalidArgument,
    NondeterminismError,
    NotFound,
    ProgramFailed,
    ToolDenied,
    UnknownProgram,
    VersionConflict,
)
from aios.testing import NotFaked, play
from aios.tools.caller import Caller  # noqa: TC001  # read from the signature of a tool
from aios.tools.tool import tool


@program
async def echo(agent, task):
    return (await agent.llm.chat(task, max_tokens=8)).text


def test_a_program_gets_its_answers_and_the_test_sees_the_result_the_prompts_and_the_journal():
    played = play(echo, "hello", llm="hi there")
    assert played.result == "hi there"
    assert played.asked[0].messages == [{"role": "user", "content": "hello"}]
    assert played.asked[0].sampling.max_tokens == 8
    (line,) = played.journal
    assert (line.seq, line.name, line.arguments) == ("1", "llm.chat", {"sampling": {"max_tokens": 8}})
    assert isinstance(line.result, Reply)
    assert (line.result.text, line.result.usage.completion_tokens) == ("hi there", 2)


def test_a_model_says_one_thing_after_the_other_or_what_a_function_makes_of_the_prompt():
    @program
    async def twice(agent, task):
        first = await agent.llm.complete("one")
        second = await agent.llm.chat("two", schema={"type": "object"})
        return [first.text, second.json()]

    assert play(twice, llm=["a", {"b": 1}]).result == ["a", {"b": 1}]
    spoken = play(twice, llm=lambda prompt: prompt.text or '{"said": "' + prompt.messages[-1]["content"] + '"}')
    assert spoken.result == ["one", {"said": "two"}]
    with pytest.raises(NotFaked, match="answer number 2, to 'two'"):
        play(twice, llm=["a"])


def test_a_model_is_held_to_a_schema_as_by_a_core():
    @program
    async def counting(agent, task):
        reply = await agent.llm.chat(task, schema={"type": "object", "required": ["n"]})
        return reply.json() if reply.finish_reason == "stop" else "cut"

    assert play(counting, "x", llm={"n": 1}).result == {"n": 1}
    assert play(counting, "x", llm=Reply('{"n"', finish_reason="length")).result == "cut"
    for wrong in ({"m": 1}, "no JSON"):
        with pytest.raises(NotFaked, match="a core holds its model to the schema"):
            play(counting, "x", llm=wrong)


def test_a_program_that_forgets_to_journal_what_changes_fails_as_it_would_after_a_crash():
    @program
    async def unsteady(agent, task):
        number = random.random()
        return (await agent.llm.chat(f"say {number}")).text

    played = play(unsteady, llm="ok")
    assert isinstance(played.error, NondeterminismError)
    with pytest.raises(NondeterminismError, match=r"agent\.now/random/uuid/step"):
        _ = played.result

    @program
    async def steady(agent, task):
        number = await agent.step(random.random)
        return (await agent.llm.chat(f"say {number}")).text

    assert play(steady, llm="ok").result == "ok"


def test_what_a_program_does_to_its_task_and_to_what_it_got_is_not_there_at_the_next_replay():
    @program(tools=["found"])
    async def rough(agent, task):
        task.append("more")
        found = await agent.tool.call("found")
        found.append(len(task))
        messages = [{"role": "user", "content": str(found)}]
        reply = await agent.llm.chat(messages)
        messages.append(reply.message)
        child = await agent.spawn("greedy", found)
        await agent.wait(child)
        return [found, (await agent.llm.chat(messages)).text]

    @program
    async def greedy(agent, task):
        await agent.sleep(1)
        task.clear()

    played = play(rough, ["task"], llm="ok", tools={"found": lambda: [1]}, programs=[greedy])
    assert played.result == [[1, 2], "ok"]
    assert [len(prompt.messages) for prompt in played.asked] == [1, 2]
    assert played.journal[0].result == [1]


def test_branches_that_share_a_list_fail_since_their_answers_come_in_any_order():
    @program
    async def shared(agent, task):
        seen = []

        async def branch(name):
            seen.append((await agent.llm.chat(name)).text)
            return (await agent.llm.chat(f"after {seen}")).text

        return await agent.gather(branch("a"), branch("b"))

    assert isinstance(play(shared, llm=lambda prompt: prompt.messages[-1]["content"]).error, NondeterminismError)


def test_branches_get_the_models_answers_in_the_order_in_which_they_ask():
    @program
    async def several(agent, task):
        replies = await agent.gather(*(agent.llm.chat(word) for word in "abcde"))
        return [reply.text for reply in replies]

    played = play(several, llm=list("vwxyz"))
    assert played.result == list("vwxyz")
    assert [line.seq for line in played.journal] == ["1.1.1", "1.2.1", "1.3.1", "1.4.1", "1.5.1"]


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@program(tools=["add", "calculator"])
async def counting(agent, task):
    return [await agent.tool.call("add", **task), await agent.tool.call("calculator", expression="6 * 7")]


def test_typed_tools_are_checked_as_by_the_tool_pool():
    assert play(counting, {"a": 2}, tools=[add]).result == [3, 42]
    assert isinstance(play(counting, {"a": "two"}, tools=[add]).error, BadToolArguments)


def test_functions_by_name_stand_for_tools():
    stand_ins = {"add": lambda a: f"sum of {a}", "calculator": lambda expression: expression}
    assert play(counting, {"a": "two"}, tools=stand_ins).result == ["sum of two", "6 * 7"]
    assert isinstance(play(counting, {"c": 1}, tools=stand_ins).error, BadToolArguments)


def test_tools_reach_the_agents_files_and_memory():
    @program(tools=["*"])
    async def writing(agent, task):
        await agent.tool.call("files.write", path="a.txt", content="x")
        _, results = await agent.llm.act("look", tools=["files.read", "memory.add"])
        return [results, await agent.tool.call("noted")]

    @tool
    def noted(caller: Caller) -> list[str]:
        """List what is remembered."""
        return [note["content"] for note in caller.now("memory", "search", query="tea")]

    calls = Reply("", (ToolCall("files.read", {"path": "b"}), ToolCall("memory.add", {"content": "tea"})))
    played = play(writing, llm=calls, tools=[noted])
    (failed, done), remembered = played.result
    assert failed["kind"] == "NotFound"
    assert done["result"]["id"]
    assert remembered == played.memories == ["tea"]
    assert played.files == {"a.txt": b"x"}


def test_a_tool_that_is_not_declared_is_denied():
    @program
    async def sly(agent, task):
        return await agent.tool.call("add", a=1)

    assert isinstance(play(sly, tools=[add]).error, ToolDenied)


def test_a_model_calls_tools_and_may_mend_a_wrong_call():
    @program(tools=["add"])
    async def acting(agent, task):
        reply, results = await agent.llm.act(task, tools=["add"])
        return [reply.text, [entry.get("result") for entry in results]]

    played = play(
        acting, "1 + 1?", llm=[ToolCall("add", {"a": "x"}, id="1"), ToolCall("add", {"a": 1}, id="2")], tools=[add]
    )
    assert played.result == ["", [2]]
    assert played.asked[0].tools[0].name == "add"
    assert "do not fit its schema" in played.asked[1].messages[-1]["content"]


def test_a_transient_error_is_retried_and_a_lasting_one_reaches_the_program():
    assert play(echo, "x", llm=[EngineFailed("core", "broke"), "ok"]).result == "ok"
    assert isinstance(play(echo, "x", llm=EngineFailed("core", "broke")).error, AttemptsSpent)


def test_sleeps_take_no_time_but_pass_it():
    @program
    async def sleeper(agent, task):
        before = await agent.now()
        await agent.gather(agent.sleep(timedelta(days=2)), agent.sleep(60))
        return (await agent.now() - before).days

    played = play(sleeper, now=datetime(2030, 1, 1, tzinfo=UTC))
    assert played.result == 2
    assert played.time == timedelta(days=2)
    assert played.journal[0].result.year == 2030


def test_a_task_that_says_nothing_is_refused_as_when_it_is_submitted():
    with pytest.raises(InvalidArgument, match="say what the agent should do"):
        play(echo, " ", llm="ok")


def test_a_function_without_types_is_no_tool_and_two_of_one_name_are_one_too_many():
    with pytest.raises(InvalidArgument):
        play(counting, tools=[lambda a: a])
    with pytest.raises(InvalidArgument, match="a name comes twice"):
        play(counting, tools=[add, add])


def test_children_run_beside_their_parent_and_their_failure_is_its_error():
    @program
    async def parent(agent, task):
        child = await agent.spawn("echo", task)
        other = await agent.spawn("broken", task)
        try:
            await agent.wait(other)
        except ChildFailed as error:
            return [await agent.wait(child), str(error)]

    @program
    async def broken(agent, task):
        await agent.sleep(5)
        raise LookupError("gone")

    played = play(parent, "hi", llm="ok", programs=[echo, broken])
    said, failed = played.result
    assert said == "ok"
    assert "LookupError: gone" in failed
    assert [child.error is None for child in played.children] == [True, False]
    assert isinstance(play(parent, "hi", llm="ok", programs=[echo]).error, UnknownProgram)


def test_an_agent_that_nobody_spawned_cannot_be_waited_for():
    @program
    async def lost(agent, task):
        return await agent.wait("0199a3a0-0000-7000-8000-000000000000")

    assert isinstance(play(lost).error, NotFound)


def test_agents_that_wait_for_each_other_are_told_instead_of_tried_for_ever():
    @program
    async def child(agent, task):
        return await agent.wait(task)

    @program
    async def parent(agent, task):
        return await agent.wait(await agent.spawn("child", str(agent.id)))

    with pytest.raises(NotFaked, match="parent, child wait for: they wait for each other"):
        play(parent, programs=[child])


def test_a_human_answers():
    @program
    async def asking(agent, task):
        return [await agent.ask("Really?", choices=["yes", "no"]), await agent.ask("Why?")]

    assert play(asking, answers=["yes", "because"]).result == ["yes", "because"]
    assert play(asking, answers=str.upper).result == ["REALLY?", "WHY?"]
    with pytest.raises(NotFaked, match="answer number 2, to 'Why\\?'"):
        play(asking, answers=["yes"])


def test_random_numbers_and_ids_are_the_same_in_each_run():
    @program
    async def drawing(agent, task):
        return [await agent.random(), str(await agent.uuid())]

    assert play(drawing).result == play(drawing).result != play(drawing, seed=1).result


def test_files_and_memories_are_there_before_and_after():
    @program
    async def librarian(agent, task):
        text = await agent.storage.read("in.txt")
        (found,) = await agent.memory.search("door code", k=1)
        info = await agent.storage.write("out/answer.txt", f"{text} {found.content}")
        await agent.memory.add("answered")
        try:
            await agent.storage.write("out/answer.txt", "again", expect=7)
        except VersionConflict:
            return info.version

    known = ["The door code is 4711.", "Tea is in the kitchen."]
    played = play(librarian, files={"in.txt": "note:"}, memories=known)
    assert played.result == 1
    assert played.files == {"in.txt": b"note:", "out/answer.txt": b"note: The door code is 4711."}
    assert played.memories == [*known, "answered"]


def test_automatic_memory_is_recalled_before_a_chat_and_stored_after_it():
    @program(memory=AutoMemory())
    async def mindful(agent, task):
        return (await agent.llm.chat(task)).text

    played = play(mindful, "What is the door code?", llm="4711", memories=["The door code is 4711."])
    assert "The door code is 4711." in played.asked[0].messages[0]["content"]
    assert played.memories[-1] == "What is the door code?\n\n4711"


def test_what_only_a_real_system_does_is_told_by_its_name_and_no_program_can_hide_it():
    @program
    async def sharing(agent, task):
        try:
            return await agent.storage.share("x")
        except Exception:
            return "hidden"

    with pytest.raises(NotFaked, match=r"storage\.share: FakeFiles does write"):
        play(sharing)

    @program
    async def checking(agent, task):
        return await agent.access.check("read", "file:/shared/x")

    with pytest.raises(NotFaked, match=r"access\.check"):
        play(checking)


def test_a_program_that_goes_on_for_ever_is_ended_and_what_it_did_is_seen():
    @program
    async def ticking(agent, task):
        await agent.sleep(3600)
        agent.continue_as_new(task + 1)

    played = play(ticking, 0, steps=5)
    assert isinstance(played.error, BudgetSpent)
    assert len(played.journal) == 5
    assert played.time == timedelta(hours=5)


def test_a_programs_own_error_shows_where_it_was_raised():
    @program
    async def wrong(agent, task):
        raise LookupError("gone")

    played = play(wrong)
    assert isinstance(played.error, ProgramFailed)
    assert 'raise LookupError("gone")' in played.error.__notes__[0]


def test_an_error_that_a_program_catches_is_in_the_journal():
    @program
    async def careful(agent, task):
        try:
            return await agent.storage.read("nowhere")
        except NotFound:
            return "none"

    played = play(careful)
    assert played.result == "none"
    assert isinstance(played.journal[0].error, NotFound)
