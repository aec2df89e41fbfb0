"""`agent.llm`: the models."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from aios.errors import InvalidArgument
from aios.kernel.chat import Dropped, Reply, Sampling, ToolCall, Usage, check_messages
from aios.kernel.folding import Folding
from aios.kernel.recall import AutoMemory, Recall, Remember
from aios.kernel.repair import MOST_REPAIRS, Acted, Repairing
from aios.kernel.request import Request
from aios.kernel.values import canonical
from aios.kernel.windows import Strategy, strategy_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aios.kernel.values import Json, JsonObject


T = TypeVar("T")


class _Options(NamedTuple):
    """How a model was asked last: as given, as arguments, as their JSON text."""

    given: str
    args: JsonObject
    spelled: bytes


class LLM:
    """`agent.llm`: the models."""

    def __init__(self, *, context: str = Strategy.ERROR, memory: AutoMemory | None = None) -> None:
        """Speak for one agent.

        Args:
            context: what happens to conversations that do not fit, unless a call says otherwise.
            memory: what chats recall and remember, unless a call says otherwise; None: nothing.
        """
        self._memory = memory or AutoMemory(recall=None, remember=None)
        self._context = strategy_of(context)
        self._checked: list[JsonObject] = []
        self._options = _Options("", {}, b"")

    def chat(
        self,
        messages: str | Sequence[JsonObject],
        *,
        tools: Sequence[str] = (),
        schema: JsonObject | None = None,
        sampling: Sampling | None = None,
        model: str = "",
        fallbacks: Sequence[str] = (),
        quality: float = 0.0,
        recall: int | Recall | None = None,
        remember: bool | Remember | None = None,
        context: str | None = None,
        **options: Any,
    ) -> Request[Reply] | Folding[Reply]:
        """Ask a model.

        Args:
            messages: a text, or the conversation so far; append `reply.message` to go on with it.
            tools: names of tools that the model may call; the calls come back in `reply.tool_calls`.
            schema: a JSON schema that the reply's text must fit.
            sampling: how tokens are picked; its fields may be given as keywords instead (`max_tokens=64`).
            model: a model's name or an alias; empty: any core's own.
            fallbacks: models to ask when no core of `model` takes calls, in this order.
            quality: ask the cheapest core with a free slot that declares at least this much, from 0 to 1; 0: any core.
            recall: put notes that match the last message before the conversation: so many, or as a `Recall` says; 0 for
                none, None: as the program says.
            remember: store the reply as a note, or as a `Remember` says; None: as the program says.
            context: what happens if the conversation does not fit: `error`, `drop_oldest`, `summarise` or `page_out`;
                None: as the program says. `reply.context` tells what the model was not shown.
            **options: fields of `Sampling`.
        """
        _check_quality(quality)
        args, known = self._args(
            sampling, options, model=model, tools=list(tools), schema=schema, fallbacks=list(fallbacks), quality=quality
        )
        conversation = self._conversation(messages)
        more = self._remembered(conversation, recall, remember, model=model)
        request = Request(
            "llm",
            "chat",
            args | more,
            messages=conversation,
            decode=_second if "recall" in more else _first,
            spelled=None if more else known,
        )
        return self._windowed(request, context, _told)

    def act(
        self,
        messages: str | Sequence[JsonObject],
        *,
        tools: Sequence[str],
        model: str = "",
        context: str | None = None,
        repairs: int = 1,
        **options: Any,
    ) -> Repairing:
        """Tool use in one request: ask a model, run the tools it calls, give back the reply and the tools' results.

        Args:
            messages: as for `chat`.
            tools: names of tools that the model may call.
            model: as for `chat`.
            context: as for `chat`.
            repairs: a model whose calls do not fit their schemas is told so and may answer again, so many times; each
                is a request of its own.
            **options: fields of `Sampling`.
        """
        if not 0 <= repairs <= MOST_REPAIRS:
            raise InvalidArgument("repairs", repairs, f"give 0 to {MOST_REPAIRS}")
        args, spelled = self._args(None, options, model=model, tools=list(tools))

        def ask(conversation: Sequence[JsonObject]) -> Request[Acted] | Folding[Acted]:
            request = Request("llm", "act", args, messages=conversation, decode=_acted, spelled=spelled)
            return self._windowed(request, context, lambda both, dropped: (_told(both[0], dropped), both[1]))

        return Repairing(ask, check_messages(messages), repairs)

    def complete(
        self, prompt: str, *, schema: JsonObject | None = None, model: str = "", **options: Any
    ) -> Request[Reply]:
        """Continue a text as it stands, without the model's chat template."""
        args, _ = self._args(None, options, model=model, tools=[], schema=schema)
        return Request("llm", "complete", {**args, "prompt": prompt}, decode=_first)

    def _args(
        self,
        sampling: Sampling | None,
        options: JsonObject,
        *,
        model: str,
        tools: list[str],
        schema: JsonObject | None = None,
        fallbacks: list[str] | None = None,
        quality: float = 0.0,
    ) -> tuple[JsonObject, bytes]:
        """What is asked of a model besides the messages, and its JSON text: a program asks with the same again and again."""
        given = repr((sampling, options, model, tools, schema, fallbacks, quality))  # tells 1, 1.0 and True apart
        if given != self._options.given:
            chosen = _sampling(sampling, options)
            args: JsonObject = {"sampling": chosen.to_json()}
            wanted = {"model": model, "fallbacks": fallbacks, "quality": quality, "tools": tools}
            args |= {name: value for name, value in wanted.items() if value}
            if schema:  # as text: jsonb forgets the order of its fields, and a model answers in that order
                canonical(schema, what="schema")
                args["schema"] = json.dumps(schema, ensure_ascii=False)
            self._options = _Options(given, args, canonical(args, what="an argument of llm"))
        return self._options.args, self._options.spelled

    def _conversation(self, messages: str | Sequence[JsonObject]) -> list[JsonObject]:
        """The messages, each looked at once: a program asks with the same growing list again and again."""
        known = len(self._checked)
        if not known or not isinstance(messages, list):
            self._checked = check_messages(messages)
            return self._checked
        said = messages.copy()
        new = said[known:]
        del said[known:]
        unlike = said != self._checked
        said += new
        if unlike or new:
            check_messages(said if unlike else new)
        self._checked = said
        return said

    def _remembered(
        self,
        conversation: Sequence[JsonObject],
        recall: int | Recall | None,
        remember: bool | Remember | None,  # noqa: FBT001  # as `chat` takes it
        *,
        model: str,
    ) -> JsonObject:
        if recall is None:
            recall = self._memory.recall
        if remember is None:
            remember = self._memory.remember
        args: JsonObject = {}
        if recall:
            args["recall"] = (recall if isinstance(recall, Recall) else Recall(k=recall)).payload(
                conversation, model=model
            )
        if remember:
            args["remember"] = (remember if isinstance(remember, Remember) else Remember()).payload(conversation)
        return args

    def _windowed(
        self, request: Request[T], context: str | None, told: Callable[[T, Dropped], T]
    ) -> Request[T] | Folding[T]:
        strategy = self._context if context is None else strategy_of(context)
        if strategy is Strategy.ERROR:
            return request
        asked = replace(request, args={**request.args, "context": strategy.value}, spelled=None)
        return Folding(asked, strategy, told) if strategy.folds else asked


def _told(said: Reply, dropped: Dropped) -> Reply:
    """A reply that says what was folded away before it; of the notes the core's part has told already."""
    return replace(said, context=replace(dropped, notes=said.context.notes if said.context else 0))


def _first(results: list[Json]) -> Reply:
    return reply(results[0])


def _second(results: list[Json]) -> Reply:
    return reply(results[1])


def _acted(results: list[Json]) -> Acted:
    return reply(results[0]), results[1]


def reply(result: JsonObject) -> Reply:
    """The reply in the result of an `llm` syscall, its message read from the context it ended in."""
    message, dropped = result["message"], result.get("context")
    calls = message.get("tool_calls")
    return Reply(
        text=message.get("content") or "",
        tool_calls=tuple(map(ToolCall.from_json, calls)) if calls else (),
        finish_reason=result["finish_reason"],
        usage=Usage(**(result.get("usage") or {})),
        core=result.get("core") or "",
        context=Dropped(**dropped) if dropped else None,
    )


def _check_quality(quality: float) -> None:
    if isinstance(quality, bool) or not isinstance(quality, int | float) or not 0 <= quality <= 1:
        raise InvalidArgument("quality", quality, "give a number from 0 to 1, as cores declare it")


def _sampling(sampling: Sampling | None, options: JsonObject) -> Sampling:
    try:
        return Sampling(**{**(sampling.to_json() if sampling else {}), **options})
    except TypeError as error:
        names = ", ".join(Sampling.__dataclass_fields__)
        raise InvalidArgument("option", ", ".join(options), f"an LLM request takes {names}") from error
