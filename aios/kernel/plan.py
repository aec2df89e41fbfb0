"""Planning: a request becomes the list of syscalls that answers it. Pure: data in, data out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aios.errors import InvalidArgument, ToolDenied, UnknownTool, did_you_mean
from aios.kernel.keys import key_of
from aios.kernel.noting import ASIDE_TOKENS, refinement
from aios.kernel.words import Effect, Pool, SyscallState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.kernel.request import Request
    from aios.kernel.values import JsonObject

_CHARS_PER_TOKEN: Final = 3
_ANSWER_TOKENS: Final = 256
_MOST_TOKENS: Final = 2**31 - 1  # what the journal's column holds


@dataclass(frozen=True)
class Call:
    """One syscall to be: where, what, with what, and until when.

    Attributes:
        state: `queued` for the first of a plan, `blocked` for later ones, `waiting` for what no worker does.
        asks: the request's conversation is its prompt.
        seconds: its deadline, counted from the claim; None for what waits without end.
        delay_seconds: a timer's; None for everything else.
        waits_for: id of the child agent waited for.
        approval: what a human is asked before it may run; None: nothing.
        limit_key: what limits how many like it run at once, such as `tool:browser`; None: its pool alone.
        tokens: llm: about as many as its prompt has and its answer may have.
    """

    pool: Pool
    op: str
    payload: JsonObject
    effect: Effect = Effect.IDEMPOTENT
    state: SyscallState = SyscallState.BLOCKED
    asks: bool = False
    seconds: float | None = 60.0
    delay_seconds: float | None = None
    waits_for: str | None = None
    approval: JsonObject | None = None
    limit_key: str | None = None
    tokens: int | None = None


EVERY_TOOL = "*"
"""Declared by programs that do what they are told, such as `oneshot`."""


@dataclass(frozen=True)
class ToolInfo:
    """What planning must know of a tool."""

    name: str
    effect: Effect = Effect.IDEMPOTENT
    seconds: float = 30.0
    limit: int | None = None


@dataclass(frozen=True)
class Planner:
    """Turns requests into plans.

    Attributes:
        tools: every tool that is loaded, by name.
        program: the asking program's name, for messages.
        declared: the tools the program may use; others are denied.
        llm_seconds: deadline of an LLM syscall.
        slice_tokens: longer answers come in slices of so many tokens, where a core can; 0: never.
        reply_tokens: length of an answer where the request does not say.
    """

    tools: Mapping[str, ToolInfo]
    program: str
    declared: tuple[str, ...] = ()
    llm_seconds: float = 600.0
    slice_tokens: int = 0
    reply_tokens: int = 256

    def plan(self, request: Request[object]) -> tuple[Call, ...]:
        """The syscalls that answer `request`, in order; only the first one can start.

        Raises:
            CallerError: nothing answers such a request.
        """
        match request.resource:
            case "llm":
                calls = self._llm(request)
            case "memory" if request.op == "note":
                calls = self._note(request.args)
            case "memory" | "storage":
                calls = (Call(Pool(request.resource), request.op, request.args),)
            case "tool":
                calls = (self._tool(request.args),)
            case "agent":
                return (_waiting(request),)
            case other:
                raise InvalidArgument("resource", other, "a program asks for llm, memory, storage, tool or agent")
        first, *rest = calls
        return (replace(first, state=SyscallState.QUEUED), *rest)

    def _llm(self, request: Request[object]) -> tuple[Call, ...]:
        args = dict(request.args)
        for name in args.get("tools", ()):
            self._known(name)
        recall, remember = args.pop("recall", None), args.pop("remember", None)
        calls: list[Call] = []
        if recall:
            calls.append(Call(Pool.MEMORY, "recall", recall))
            args["recalled"] = 0
        if self._is_sliced(args):
            args["slice"] = self.slice_tokens
        op = "chat" if request.op == "act" else request.op
        chat = Call(
            Pool.LLM,
            op,
            args,
            effect=Effect.IDEMPOTENT,
            asks=request.messages is not None,
            seconds=self.llm_seconds,
            limit_key=_model_key(args),
            tokens=_tokens(request),
        )
        calls.append(chat)
        position = len(calls) - 1
        if request.op == "act":
            worst = [self._known(name) for name in args.get("tools", ())]
            effect = Effect.ONCE if any(t.effect is Effect.ONCE for t in worst) else Effect.IDEMPOTENT
            payload = {"from": position, "tools": args.get("tools", [])}
            calls.append(Call(Pool.TOOL, "run", payload, effect=effect, seconds=sum(t.seconds for t in worst)))
        if remember:
            calls += self._remember(remember, reply=position, at=len(calls))
        return tuple(calls)

    def _remember(self, remember: JsonObject, *, reply: int, at: int) -> list[Call]:
        given = {name: value for name, value in remember.items() if name != "model"}
        step = Call(Pool.MEMORY, "remember", {**given, "from": reply})
        return [step, *self._refined(remember, at=at)] if remember.get("analyse") else [step]

    def _note(self, args: JsonObject) -> tuple[Call, ...]:
        """A note and what a model says of it; the note is stored first, so nothing that follows can lose it."""
        given = {name: value for name, value in args.items() if name != "model"}
        return (Call(Pool.MEMORY, "add", {**given, "analyse": True}), *self._refined(args, at=0))

    def _refined(self, args: JsonObject, *, at: int) -> list[Call]:
        steps = refinement(at, namespace=args.get("namespace", ""), model=args.get("model", ""))
        return [
            Call(
                step.pool,
                step.op,
                step.payload,
                seconds=self.llm_seconds,
                limit_key=_model_key(step.payload),
                tokens=ASIDE_TOKENS,
            )
            if step.pool is Pool.LLM
            else Call(step.pool, step.op, step.payload)
            for step in steps
        ]

    def _is_sliced(self, args: JsonObject) -> bool:
        """Whether its answer may be cut: a grammar's, and so a tool call's, never is."""
        if not self.slice_tokens or "schema" in args or args.get("tools"):
            return False
        asked = args.get("sampling", {}).get("max_tokens") or self.reply_tokens
        return bool(asked > self.slice_tokens)

    def _tool(self, args: JsonObject) -> Call:
        tool = self._known(args["tool"])
        return Call(
            Pool.TOOL, "call", args, effect=tool.effect, seconds=tool.seconds, limit_key=key_of(Pool.TOOL, tool.name)
        )

    def _known(self, name: str) -> ToolInfo:
        tool = self.tools.get(name)
        if tool is None:
            raise UnknownTool(name, did_you_mean(name, self.tools))
        if name not in self.declared and EVERY_TOOL not in self.declared:
            raise ToolDenied(name, self.program)
        return tool


def _tokens(request: Request[object]) -> int:
    """About as many tokens as prompt and answer have: too many rather than too few, until its like has been seen."""
    texts = [str(message.get("content", "")) for message in request.messages or ()] + [
        str(request.args.get("prompt", ""))
    ]
    answer = int(request.args.get("sampling", {}).get("max_tokens") or _ANSWER_TOKENS)
    return min(_MOST_TOKENS, sum(map(len, texts)) // _CHARS_PER_TOKEN + answer)


def _model_key(args: JsonObject) -> str | None:
    """What limits calls that ask for a model: the slots of its cores. With fallbacks others may take them."""
    return key_of(Pool.LLM, args["model"]) if args.get("model") and not args.get("fallbacks") else None


def _waiting(request: Request[object]) -> Call:
    """What no worker does: time, a child or a human ends it."""
    args = request.args
    if request.op not in {"sleep", "wait", "ask"}:
        raise InvalidArgument("request", request.name, "an agent asks to sleep, wait, ask or spawn")
    return Call(
        Pool.AGENT,
        request.op,
        args,
        effect=Effect.NONE,
        state=SyscallState.WAITING,
        seconds=None,
        delay_seconds=float(args["seconds"]) if request.op == "sleep" else None,
        waits_for=str(args["agent"]) if request.op == "wait" else None,
    )
