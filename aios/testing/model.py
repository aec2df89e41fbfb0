"""A fake of the pool `llm` as a whole: an executor that says what a test has it say."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from aios.errors import AiosError
from aios.kernel.chat import Reply, ToolCall, Usage
from aios.kernel.ports import Finish, Prompt
from aios.kernel.values import JsonObject
from aios.llm.executor import Generated, outcome
from aios.llm.prompt import prompt_of, with_memories
from aios.testing.lacks import NotFaked

if TYPE_CHECKING:
    from uuid import UUID

    from aios.kernel.chat import ToolSpec
    from aios.kernel.ports import Claimed, Outcome

Answer: TypeAlias = str | JsonObject | ToolCall | Reply | AiosError
"""What a model says: a text, an object for a reply to a schema, a tool call, a whole reply, or an error of its engine."""

Answers: TypeAlias = Answer | Sequence[Answer] | Callable[[Prompt], Answer]
"""One answer to everything, one per call in their order, or what a function makes of the prompt."""

NAME = "fake-model"


class FakeModel:
    """An `Executor` of the pool `llm` without a core.

    Attributes:
        asked: every prompt, in order; recalled memories stand where a core would be sent them.
    """

    def __init__(self, answers: Answers = (), *, spec: Callable[[str], ToolSpec]) -> None:
        """Take the answers; `spec` tells what a model must know of a tool."""
        self.asked: list[Prompt] = []
        self._answers = answers
        self._spec = spec

    def perform(self, call: Claimed) -> Outcome:
        """Answer a `chat` or a `complete`.

        Raises:
            AiosError: the answer is one.
            NotFaked: there is no answer left, or a core would not give such a one.
        """
        prompt = prompt_of(call, spec=self._spec)
        shown = Prompt(**{**vars(prompt), "messages": with_memories(prompt.messages, prompt.notes)})
        self.asked.append(shown)
        reply = _reply(self._answer(shown))
        _check(reply, prompt.schema)
        usage = reply.usage if reply.usage.total else _usage(shown, reply.text)
        finish = Finish(reply.text, "length" if reply.finish_reason == "length" else "stop", usage, reply.tool_calls)
        return outcome(Generated(finish, reply.core or NAME, reply.context), way={})

    def cancel(self, syscall: UUID) -> None:
        """Nothing to stop."""

    def _answer(self, prompt: Prompt) -> Answer:
        if callable(self._answers):
            return self._answers(prompt)
        if isinstance(self._answers, str | dict | ToolCall | Reply | AiosError):
            return self._answers
        if len(self.asked) > len(self._answers):
            said = prompt.text if prompt.text is not None else prompt.messages[-1].get("content")
            raise NotFaked(f"the model's answer number {len(self.asked)}, to {said!r}", "give `llm=` one more")
        return self._answers[len(self.asked) - 1]


def _reply(answer: Answer) -> Reply:
    if isinstance(answer, AiosError):
        raise answer
    if isinstance(answer, Reply):
        return answer
    if isinstance(answer, ToolCall):
        return Reply("", (answer,))
    return Reply(answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False))


def _check(reply: Reply, schema: JsonObject | None) -> None:
    """A core holds a model to the schema; only a reply that was cut does not fit it."""
    if schema is None or reply.finish_reason == "length":
        return
    try:
        error = best_match(Draft202012Validator(schema).iter_errors(reply.json()))
    except ValueError as no_json:
        error = no_json
    if error is not None:
        remedy = "a core holds its model to the schema; mend `llm=`, or give a Reply with finish_reason='length'"
        raise NotFaked(f"a model that answers {reply.text!r} to a schema ({str(error).splitlines()[0]})", remedy)


def _usage(prompt: Prompt, text: str) -> Usage:
    """About a token per word."""
    said = [prompt.text or "", *(str(message.get("content") or "") for message in prompt.messages)]
    return Usage(sum(len(one.split()) for one in said), len(text.split()))
