"""Conversations that are folded: nothing overflows, nothing is done twice, and a replay sees the same."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from concurrent.futures import Future
from itertools import count
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.errors import AiosError, ContextOverflow, from_json
from aios.kernel.agent import Agent
from aios.kernel.plan import Planner
from aios.kernel.ports import Claimed
from aios.kernel.program import program
from aios.kernel.replay import Entry, Raised, Returned, Run
from aios.llm.executor import LLMExecutor
from aios.settings import LLMSettings
from aios.testing import FakeDriver, FakeSink, FakeToolBox

SYSTEM = {"role": "system", "content": "You are kind."}


class Inline:
    """A loop thread without a thread: what is submitted is done when this returns."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()

    def submit(self, coroutine):
        future = Future()
        try:
            future.set_result(self._loop.run_until_complete(coroutine))
        except AiosError as error:
            future.set_exception(error)
        return future

    def run(self, coroutine, *, timeout_seconds=None):
        return self.submit(coroutine).result()

    def close(self):
        self._loop.close()


class Desk:
    """Runs one program's syscalls at once; its journal serves a replay."""

    def __init__(self, declared, task, *, window=400, answer="fine , go on"):
        self.driver = FakeDriver(answer, window_tokens=window)
        self.llm = LLMExecutor(
            self.driver, sink=FakeSink(), toolbox=FakeToolBox({}), settings=LLMSettings(), loop=Inline()
        )
        self.program, self.task = declared, task
        self.journal = {}
        self.done = Counter()
        self.notes, self.index = [], defaultdict(list)

    def start(self):
        agent = Agent(id=uuid4(), context=self.program.context)
        return Run(self.program.start(agent, self.task), Planner(tools={}, program="p").plan)

    def run(self):
        run = self.start()
        while issued := run.advance(self.journal):
            for item in issued:
                self.journal[item.seq] = self._entry(item)
        assert run.outcome is not None
        return run.outcome

    def replayed(self):
        """The outcome of a replay, which asks for nothing new."""
        run = self.start()
        assert run.advance(self.journal) == []
        return run.outcome

    def close(self):
        self.llm.close()

    def _entry(self, item):
        results = []
        for position, call in enumerate(item.plan):
            self.done[f"{call.pool}.{call.op}"] += 1
            try:
                results.append(self._perform(call, item, position, results))
            except AiosError as error:
                stored = from_json(json.loads(json.dumps(error.to_json())))
                return Entry(item.digest, item.request.label, error=stored)
        return Entry(item.digest, item.request.label, results=results)

    def _perform(self, call, item, position, results):
        if call.pool == "memory":
            return self._remember(call)
        if call.pool == "tool":
            return ["ran"]
        claimed = Claimed(
            id=uuid4(),
            agent_id=uuid4(),
            request_id=uuid4(),
            position=position,
            pool="llm",
            op=call.op,
            payload=json.loads(json.dumps(call.payload)),
            token=uuid4(),
            attempt=1,
            errors=0,
            priority=5,
            program="p",
            tenant="t",
            seconds_left=30,
            earlier=results,
            messages=list(item.request.messages),
        )
        outcome = self.llm.perform(claimed)
        return {**outcome.result, "message": outcome.message, "usage": outcome.usage.__dict__, "core": ""}

    def _remember(self, call):
        if call.op == "page_out":
            for page in call.payload["pages"]:
                self.notes.append(page)
                for word in set(page.lower().split()):
                    self.index[word].append(len(self.notes) - 1)
            return {"pages": len(call.payload["pages"])}
        words = set(call.payload["query"].lower().split())
        shared = Counter(i for word in words for i in self.index[word][-50:])
        return [{"id": "1", "content": self.notes[i], "tags": []} for i, _ in shared.most_common(call.payload["k"])]


@pytest.fixture
def desk():
    made = []

    def make(*args, **more):
        made.append(Desk(*args, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def talk(strategy):
    @program(name="talk", context=strategy)
    async def talking(agent, task):
        messages, folds = [SYSTEM], 0
        for turn in range(task):
            messages.append({"role": "user", "content": f"Question {turn} about the weather of the day"})
            reply = await agent.llm.chat(messages, max_tokens=40)
            messages.append(reply.message)
            folds += reply.context is not None
        return [len(messages), folds]

    return talking


@pytest.mark.parametrize(("strategy", "turns"), [("summarise", 250), ("page_out", 1000)])
def test_a_long_conversation_in_a_small_window_never_overflows_and_a_replay_asks_for_nothing(desk, strategy, turns):
    one = desk(talk(strategy), turns, window=1536)
    outcome = one.run()
    assert isinstance(outcome, Returned), outcome
    assert outcome.value[0] == 2 * turns + 1
    assert outcome.value[1] > turns - 100
    assert one.done["llm.chat"] < turns * 1.1  # a fold serves many turns
    assert one.replayed() == outcome


def test_a_long_conversation_drops_its_oldest_turns_at_each_call(desk):
    @program(context="drop_oldest")
    async def long(agent, task):
        messages, dropped = [SYSTEM], []
        for turn in range(task):
            messages += [{"role": "user", "content": f"question {turn}"}, {"role": "assistant", "content": "yes " * 20}]
            if turn % 100 == 99:
                reply = await agent.llm.chat([*messages, {"role": "user", "content": "now?"}], max_tokens=10)
                dropped.append(reply.context.messages)
        return dropped

    one = desk(long, 1000)
    outcome = one.run()
    assert isinstance(outcome, Returned), outcome
    assert outcome.value == sorted(outcome.value)
    assert outcome.value[-1] > 1900
    assert one.done == Counter({"llm.chat": 10})
    assert one.replayed() == outcome


def test_a_summary_takes_the_place_of_what_went_and_the_next_one_keeps_it(desk):
    def answer(prompt):
        if "minutes" not in prompt.messages[0]["content"]:
            return "ok"
        kept = ["blue"] if "blue" in prompt.messages[1]["content"] else []
        return " ".join(["Minutes:", *kept])

    @program(context="summarise")
    async def colours(agent, task):
        messages = [SYSTEM, {"role": "user", "content": "My colour is blue"}, {"role": "assistant", "content": "noted"}]
        for turn in range(60):
            messages.append({"role": "user", "content": f"and {turn} more words to fill it"})
            reply = await agent.llm.chat(messages, max_tokens=10)
            messages.append(reply.message)
        return reply.context.summary

    one = desk(colours, "", answer=answer)
    outcome = one.run()
    assert outcome == Returned("Minutes: blue")
    shown = one.driver.asked[-1].messages
    assert shown[0]["content"].startswith(SYSTEM["content"])
    assert "blue" in shown[0]["content"]
    assert one.replayed() == outcome


def test_a_text_too_long_to_be_summarised_at_once_is_told_in_halves(desk):
    @program(context="summarise")
    async def book(agent, task):
        messages = [{"role": "user", "content": "word " * 1500}, {"role": "assistant", "content": "long"}]
        reply = await agent.llm.chat([*messages, {"role": "user", "content": "so?"}], max_tokens=10)
        return [reply.context.messages, bool(reply.context.summary)]

    assert desk(book, "", window=600).run() == Returned([1, True])


def test_what_was_paged_out_comes_back_for_the_question_that_it_answers(desk):
    @program(context="page_out")
    async def keeper(agent, task):
        messages = [SYSTEM, {"role": "user", "content": "The zebra is called Ludmilla"}]
        for turn in range(80):
            messages += [
                {"role": "assistant", "content": f"answer {turn}"},
                {"role": "user", "content": f"filler {turn}"},
            ]
        await agent.llm.chat(messages, max_tokens=10)
        reply = await agent.llm.chat(
            [*messages, {"role": "user", "content": "what is the zebra called ?"}], max_tokens=10
        )
        return reply.context.messages

    one = desk(keeper, "", window=800)
    outcome = one.run()
    assert outcome.value > 50
    assert "Ludmilla" in one.driver.asked[-1].messages[0]["content"]
    assert len(one.notes) == len(set(one.notes)) == outcome.value
    assert one.replayed() == outcome


def test_two_branches_fold_each_for_itself_and_the_quicker_one_never_shows(desk):
    """In a replay the first branch is through before the second one begins: it must not lend it its fold."""

    @program(context="summarise")
    async def pair(agent, task):
        messages = [{"role": "user" if i % 2 else "assistant", "content": f"line {i} of it"} for i in range(80)]

        async def branch(name):
            reply = await agent.llm.chat([*messages, {"role": "user", "content": name}], max_tokens=10)
            return reply.context.messages

        return await agent.gather(branch("a"), branch("b"))

    one = desk(pair, "", window=700)
    outcome = one.run()
    assert isinstance(outcome, Returned)
    assert one.done["llm.chat"] == 6  # each: too long, the summary, the chat
    assert one.replayed() == outcome


@given(
    st.lists(st.integers(1, 25), min_size=2, max_size=20),
    st.integers(150, 400),
    st.sets(st.integers(0, 24), max_size=2),
)
@settings(max_examples=12, deadline=None)
def test_every_turn_is_shown_or_paged_out_once_whatever_the_lengths(lengths, window, pinned):
    """FAULTS 12 and 28: no context is lost, and no message of the caller's is changed."""
    said = [f"{n}: " + "w " * length for n, length in enumerate(lengths)]

    @program(context="page_out")
    async def talking(agent, task):
        messages = [SYSTEM]
        for n, text in enumerate(said):
            messages.append({"role": "user", "content": text, **({"pinned": True} if n in pinned else {})})
            messages.append((await agent.llm.chat(messages, max_tokens=20)).message)
        return [message["content"] for message in messages]

    numbers = count()
    one = Desk(talking, "", window=window, answer=lambda prompt: f"fine {next(numbers)}")
    try:
        outcome = one.run()
        if isinstance(outcome, Raised):  # what is pinned alone may be too much
            assert isinstance(outcome.error, ContextOverflow)
            assert pinned
            return
        last = [message["content"] for message in one.driver.asked[-1].messages]
        shown = {text for text in outcome.value[:-1] if text in last}
        assert {said[n] for n in pinned if n < len(said)} <= shown
        told = "".join(note.partition(": ")[2] for note in one.notes)
        gone = [text for text in outcome.value[1:-1] if text not in shown]
        assert "".join("".join(gone).split()) == "".join(told.split())
        assert one.replayed() == outcome
    finally:
        one.close()


def test_what_must_stay_and_does_not_fit_is_the_programs_to_catch(desk):
    @program(context="page_out")
    async def wordy(agent, task):
        await agent.llm.chat("word " * 2000)

    outcome = desk(wordy, "").run()
    assert isinstance(outcome, Raised)
    assert isinstance(outcome.error, ContextOverflow)


def test_a_call_may_ask_for_another_strategy_than_its_program(desk):
    @program(context="page_out")
    async def choosy(agent, task):
        messages = [{"role": "user", "content": f"line {i} of many lines"} for i in range(200)]
        return (await agent.llm.chat(messages, max_tokens=10, context="drop_oldest")).context.strategy

    one = desk(choosy, "")
    assert one.run() == Returned("drop_oldest")
    assert one.done == Counter({"llm.chat": 1})


def test_an_agents_acts_fold_too(desk):
    @program(context="summarise", tools=[])
    async def actor(agent, task):
        messages = [{"role": "user", "content": f"line {i} of many lines"} for i in range(200)]
        reply, results = await agent.llm.act(messages, tools=[], max_tokens=10)
        return [reply.context.strategy, results]

    one = desk(actor, "")
    assert one.run() == Returned(["summarise", ["ran"]])
    assert one.done["tool.run"] == 1
