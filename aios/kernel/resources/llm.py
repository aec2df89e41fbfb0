"""`agent.llm`: the models."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

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
        wanted = {"model": model, "fallbacks": list(fallbacks), "quality": _checked_quality(quality)}
        args = _llm_args(sampling, options, **wanted, tools=list(tools), schema=schema)
        conversation = self._conversation(messages)
        args |= self._remembered(conversation, recall, remember, model=model)
        position = 1 if "recall" in args else 0
        request = Request("llm", "chat", args, messages=conversation, decode=lambda results: reply(results[position]))
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
        args = _llm_args(None, options, model=model, tools=list(tools), schema=None)

        def ask(conversation: Sequence[JsonObject]) -> Request[Acted] | Folding[Acted]:
            request = Request(
                "llm", "act", args, messages=conversation, decode=lambda results: (reply(results[0]), results[1])
            )
            return self._windowed(request, context, lambda both, dropped: (_told(both[0], dropped), both[1]))

        return Repairing(ask, check_messages(messages), repairs)

    def complete(
        self, prompt: str, *, schema: JsonObject | None = None, model: str = "", **options: Any
    ) -> Request[Reply]:
        """Continue a text as it stands, without the model's chat template."""
        args = _llm_args(None, options, model=model, tools=[], schema=schema)
        return Request("llm", "complete", {**args, "prompt": prompt}, decode=lambda results: reply(results[-1]))

    def _conversation(self, messages: str | Sequence[JsonObject]) -> list[JsonObject]:
        """The messages, each looked at once: a program asks with the same growing list again and again."""
        known = len(self._checked)
        if known and isinstance(messages, list) and messages[:known] == self._checked:
            if new := messages[known:]:
                check_messages(new)
            self._checked = list(messages)
        else:
            self._checked = check_messages(messages)
        return self._checked

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
        asked = replace(request, args={**request.args, "context": strategy.value})
        return Folding(asked, strategy, told) if strategy.folds else asked


def _told(said: Reply, dropped: Dropped) -> Reply:
    """A reply that says what was folded away before it; of the notes the core's part has told already."""
    return replace(said, context=replace(dropped, notes=said.context.notes if said.context else 0))


def reply(result: JsonObject) -> Reply:
    """The reply in the result of an `llm` syscall, its message read from the context it ended in."""
    message = result["message"]
    return Reply(
        text=message.get("content") or "",
        tool_calls=tuple(ToolCall.from_json(c) for c in message.get("tool_calls", ())),
        finish_reason=result["finish_reason"],
        usage=Usage(**(result.get("usage") or {})),
        core=result.get("core") or "",
        context=Dropped(**result["context"]) if result.get("context") else None,
    )


def _checked_quality(quality: float) -> float:
    if isinstance(quality, bool) or not isinstance(quality, int | float) or not 0 <= quality <= 1:
        raise InvalidArgument("quality", quality, "give a number from 0 to 1, as cores declare it")
    return quality


def _llm_args(sampling: Sampling | None, options: JsonObject, **rest: Json) -> JsonObject:
    try:
        chosen = Sampling(**{**(sampling.to_json() if sampling else {}), **options})
    except TypeError as error:
        names = ", ".join(Sampling.__dataclass_fields__)
        raise InvalidArgument("option", ", ".join(options), f"an LLM request takes {names}") from error
    args: JsonObject = {"sampling": chosen.to_json()}
    args.update({name: value for name, value in rest.items() if value})
    if "schema" in args:  # as text: jsonb forgets the order of its fields, and a model answers in that order
        canonical(args["schema"], what="schema")
        args["schema"] = json.dumps(args["schema"], ensure_ascii=False)
    return args
