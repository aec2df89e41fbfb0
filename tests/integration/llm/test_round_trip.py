"""Recorded answers of real TGI servers, served by our engine, read by our driver: nothing may be lost or changed.

The recordings are not ours to carry; they are found by AIOS_REFERENCE_DIR. A whole chat answer is served as a stream, for
the driver streams always. An answer with several choices is several answers: a request of ours has one.
"""

from __future__ import annotations

import asyncio
import json
import os
from itertools import groupby
from pathlib import Path

import pytest

from aios.kernel.chat import ToolSpec
from aios.kernel.ports import Finish, Prompt, Token
from aios.llm.parse import REASONS

from .conftest import closing

FOLDER = Path(os.environ.get("AIOS_REFERENCE_DIR") or Path(__file__).parents[4] / "shared" / "reference")
FILE = FOLDER / "tgi-answers.jsonl"

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason=f"no recorded answers at {FILE} (AIOS_REFERENCE_DIR)")

GENERATE = Prompt(text="recorded")
CHAT = Prompt(
    messages=[{"role": "user", "content": "recorded"}],
    tools=[ToolSpec("t", "A tool.", {"type": "object", "properties": {}})],
)


def recorded(kind):
    rows = [json.loads(line) for line in FILE.read_text().splitlines()]
    return [(row["source"], row["answer"]) for row in rows if row["kind"] == kind]


def replay(engine, answers, prompt):
    """What the driver makes of the answers, in order."""
    engine.script(replay=answers)
    core = engine.driver(tools="native", max_tokens=16)

    async def run():
        return [[item async for item in core.generate(prompt)] for _ in answers]

    made = asyncio.run(closing(core, run()))
    assert engine.http.get("/script").json()["replay_left"] == 0
    return made


def per_choice(answer):
    """One answer per choice, each the first of its own."""
    return [
        {**answer, "choices": [{**choice, "index": 0}]}
        for choice in sorted(answer["choices"], key=lambda c: c["index"])
    ]


def streams(kind):
    """The recorded chunks of each stream and choice, the usage chunk with every choice."""
    for _, rows in groupby(recorded(kind), key=lambda row: row[0]):
        chunks = [answer for _, answer in rows if answer["object"].endswith("chunk") or not is_whole(answer)]
        for one in split(chunks):
            for index in sorted({c["index"] for chunk in one for c in chunk["choices"]}):
                yield [
                    {**chunk, "choices": [{**c, "index": 0} for c in chunk["choices"] if c["index"] == index]}
                    for chunk in one
                    if not chunk["choices"] or index in {c["index"] for c in chunk["choices"]}
                ]


def split(chunks):
    """A recording may hold several streams in a row: a chunk after an end, or after a usage, begins the next one."""
    ends = [bool(c["choices"] and c["choices"][0]["finish_reason"]) for c in chunks]
    streams = [[]]
    ended = False
    for chunk, end in zip(chunks, ends, strict=True):
        if ended and chunk["choices"]:
            streams.append([])
            ended = False
        streams[-1].append(chunk)
        ended = ended or end
    return [s for s in streams if s]


def is_whole(answer):
    return bool(answer.get("usage")) and any(c["finish_reason"] for c in answer["choices"])


def expected_calls(messages):
    """The tool calls of messages or deltas: id, name and arguments, the fragments of a stream joined."""
    calls = {}
    for message in messages:
        for call in message.get("tool_calls") or ():
            known = calls.setdefault(
                call.get("index", 0), {"id": call["id"], "name": call["function"]["name"], "arguments": ""}
            )
            known["arguments"] += call["function"]["arguments"]
    return [(c["id"], c["name"], json.loads(c["arguments"])) for c in calls.values()]


def made_calls(finish):
    return [(c.id, c.name, c.arguments) for c in finish.tool_calls]


def expected_reason(choices):
    """As recorded; a stream whose recording has none ended by itself."""
    return next((REASONS[c["finish_reason"]] for c in choices if c["finish_reason"]), "stop")


def text_of(tokens):
    return "".join(t.text for t in tokens)


def test_generated_answers(scripted):
    answers = [answer for _, answer in recorded("generate")]
    made = replay(scripted, answers, GENERATE)
    assert len(made) == 299
    for answer, (*tokens, finish) in zip(answers, made, strict=True):
        said = answer["details"]["tokens"]
        assert [(t.id, t.text, t.logprob, t.special) for t in tokens] == [
            (t["id"], t["text"], t["logprob"], t["special"]) for t in said
        ]
        assert finish.token_ids == tuple(t["id"] for t in said)
        assert finish.text == answer["generated_text"]
        assert finish.reason == REASONS[answer["details"]["finish_reason"]]
        assert finish.usage.completion_tokens == answer["details"]["generated_tokens"]


def test_whole_chat_answers(scripted):
    answers = [answer for _, answer in recorded("chat.completion")]
    made = replay(scripted, answers, CHAT)
    assert len(made) == 228
    for answer, (*tokens, finish) in zip(answers, made, strict=True):
        (choice,) = answer["choices"]
        assert finish.text == text_of(tokens) == (choice["message"]["content"] or "")
        assert finish.reason == REASONS[choice["finish_reason"]]
        assert made_calls(finish) == expected_calls([choice["message"]])
        assert finish.usage.prompt_tokens == answer["usage"]["prompt_tokens"]
        assert finish.usage.completion_tokens == answer["usage"]["completion_tokens"]


def test_streamed_chat_answers(scripted):
    recordings = list(streams("chat.completion.chunk"))
    assert sum(len(chunks) for chunks in recordings) == 240
    for chunks, (*tokens, finish) in zip(recordings, replay(scripted, recordings, CHAT), strict=True):
        choices = [choice for chunk in chunks for choice in chunk["choices"]]
        deltas = [choice["delta"] for choice in choices]
        assert finish.text == text_of(tokens) == "".join(d.get("content") or "" for d in deltas)
        assert finish.reason == expected_reason(choices)
        assert made_calls(finish) == expected_calls(deltas)
        usage = next((chunk["usage"] for chunk in chunks if chunk["usage"]), None)
        if usage:
            assert finish.usage.completion_tokens == usage["completion_tokens"]


def test_text_completions_whole_and_streamed(scripted):
    rows = [answer for _, answer in recorded("text_completion")]
    whole = [one for answer in rows if is_whole(answer) for one in per_choice(answer)]
    streamed = list(streams("text_completion"))
    assert len([a for a in rows if is_whole(a)]) + sum(len(s) for s in streamed) == 42
    for chunks, (*tokens, finish) in zip(
        [[w] for w in whole] + streamed, replay(scripted, whole + streamed, CHAT), strict=True
    ):
        choices = [choice for chunk in chunks for choice in chunk["choices"]]
        assert isinstance(finish, Finish)
        assert all(isinstance(t, Token) for t in tokens)
        assert finish.text == text_of(tokens) == "".join(c["text"] for c in choices)
        assert finish.reason == expected_reason(choices)
