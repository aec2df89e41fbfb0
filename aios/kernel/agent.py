"""What a program sees of the kernel: its agent, with one face per resource. Every method makes a request; none does I/O."""

from __future__ import annotations

import json
import random as random_numbers
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar
from uuid import UUID

from aios.errors import InvalidArgument
from aios.kernel.chat import Reply, Sampling, ToolCall, Usage, check_messages
from aios.kernel.ids import new_id
from aios.kernel.replay import ContinueAsNew
from aios.kernel.request import Gather, Request, last
from aios.kernel.values import canonical
from aios.kernel.words import check_priority

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aios.kernel.values import Json, JsonObject

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True)
class Note:
    """A memory that was found: cosine and text ranks fused into `score`, larger is nearer."""

    id: str
    content: str
    tags: tuple[str, ...] = ()
    metadata: JsonObject | None = None
    score: float = 0.0


@dataclass(frozen=True)
class FileInfo:
    """One file as `storage.list` and `storage.write` tell it."""

    path: str
    version: int
    size: int
    updated_at: str = ""


class LLM:
    """`agent.llm`: the models."""

    def chat(
        self,
        messages: str | Sequence[JsonObject],
        *,
        tools: Sequence[str] = (),
        schema: JsonObject | None = None,
        sampling: Sampling | None = None,
        model: str = "",
        recall: int = 0,
        remember: bool = False,
        **options: Any,
    ) -> Request[Reply]:
        """Ask a model.

        Args:
            messages: a text, or the conversation so far; append `reply.message` to go on with it.
            tools: names of tools that the model may call; the calls come back in `reply.tool_calls`.
            schema: a JSON schema that the reply's text must fit.
            sampling: how tokens are picked; its fields may be given as keywords instead (`max_tokens=64`).
            model: a model's name; empty: the core's own.
            recall: put this many memories that match the last message before the conversation.
            remember: store the reply as a memory.
            **options: fields of `Sampling`.
        """
        args = _llm_args(sampling, options, model=model, tools=list(tools), schema=schema)
        conversation = check_messages(messages)
        if recall:
            args["recall"] = {"query": str(conversation[-1].get("content", "")), "k": recall}
        if remember:
            args["remember"] = {"tags": []}
        position = 1 if recall else 0
        return Request("llm", "chat", args, messages=conversation, decode=lambda results: reply(results[position]))

    def act(
        self, messages: str | Sequence[JsonObject], *, tools: Sequence[str], model: str = "", **options: Any
    ) -> Request[tuple[Reply, list[Json]]]:
        """Tool use in one request: ask a model, run the tools it calls, give back the reply and the tools' results."""
        args = _llm_args(None, options, model=model, tools=list(tools), schema=None)
        return Request(
            "llm",
            "act",
            args,
            messages=check_messages(messages),
            decode=lambda results: (reply(results[0]), results[1]),
        )

    def complete(
        self, prompt: str, *, schema: JsonObject | None = None, model: str = "", **options: Any
    ) -> Request[Reply]:
        """Continue a text as it stands, without the model's chat template."""
        args = _llm_args(None, options, model=model, tools=[], schema=schema)
        return Request("llm", "complete", {**args, "prompt": prompt}, decode=lambda results: reply(results[-1]))


class Memory:
    """`agent.memory`: what the agent remembers."""

    def add(self, content: str, *, tags: Sequence[str] = (), metadata: JsonObject | None = None) -> Request[str]:
        """Remember a text; gives its id."""
        args = {"content": content, "tags": list(tags), "metadata": metadata or {}}
        return Request("memory", "add", args, decode=lambda results: str(results[-1]["id"]))

    def get(self, id: str) -> Request[Note]:  # the field's name
        """One memory by id."""
        return Request("memory", "get", {"id": id}, decode=lambda results: _note(results[-1]))

    def search(self, query: str, *, k: int = 5, tags: Sequence[str] = ()) -> Request[list[Note]]:
        """The k memories nearest in meaning and words, best first."""
        args = {"query": query, "k": k, "tags": list(tags)}
        return Request("memory", "search", args, decode=lambda results: [_note(n) for n in results[-1]])

    def update(
        self,
        id: str,
        *,
        content: str | None = None,
        tags: Sequence[str] | None = None,
        metadata: JsonObject | None = None,
    ) -> Request[None]:
        """Change what is given; leave what is None."""
        args = {"id": id, "content": content, "tags": None if tags is None else list(tags), "metadata": metadata}
        return Request("memory", "update", args, decode=_nothing)

    def remove(self, id: str) -> Request[None]:
        """Forget one memory."""
        return Request("memory", "remove", {"id": id}, decode=_nothing)


class Storage:
    """`agent.storage`: files, every write of which is a version. A relative path is below the agent's own folder."""

    def write(self, path: str, content: str) -> Request[FileInfo]:
        """Write a whole file as a new version."""
        return Request("storage", "write", {"path": path, "content": content}, decode=lambda r: FileInfo(**r[-1]))

    def read(self, path: str, *, version: int | None = None) -> Request[str]:
        """A file's text, of its newest version unless another is named."""
        return Request("storage", "read", {"path": path, "version": version}, decode=lambda r: str(r[-1]["content"]))

    def list(self, pattern: str = "**") -> Request[list[FileInfo]]:
        """The files that match a glob pattern, by path."""
        return Request("storage", "list", {"pattern": pattern}, decode=lambda r: [FileInfo(**f) for f in r[-1]])

    def delete(self, path: str) -> Request[None]:
        """Delete a file; its versions stay."""
        return Request("storage", "delete", {"path": path}, decode=_nothing)


class Tools:
    """`agent.tool`: functions and servers outside."""

    def call(self, tool: str | ToolCall, /, **arguments: Json) -> Request[Json]:
        """Call a tool by name and arguments, or as a model asked for it in a `ToolCall`."""
        name, given = (tool.name, tool.arguments) if isinstance(tool, ToolCall) else (tool, arguments)
        return Request("tool", "call", {"tool": name, "arguments": given})


class Agent:
    """One run of a program, as the program sees it.

    Attributes:
        id: the agent's id.
        tools: the tools its program declared.
    """

    def __init__(self, *, id: UUID, tools: tuple[str, ...] = (), parent_id: UUID | None = None) -> None:
        self.id = id
        self.tools = tools
        self.parent_id = parent_id
        self.llm = LLM()
        self.memory = Memory()
        self.storage = Storage()
        self.tool = Tools()

    def gather(self, *requests: Awaitable[T]) -> Gather[T]:
        """Requests (or coroutines of requests) side by side; the results in order, or the lowest branch's error."""
        return Gather(requests)

    def sleep(self, duration: float | timedelta) -> Request[None]:
        """Wait, durably: no worker is held. Seconds or a timedelta; exact to about a second."""
        seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
        if not 0 <= seconds < timedelta(days=3660).total_seconds():
            raise InvalidArgument("sleep", duration, "give 0 seconds to 10 years")
        return Request("agent", "sleep", {"seconds": seconds}, decode=_nothing)

    def spawn(self, program: str, task: Json, *, priority: int | None = None) -> Request[str]:
        """Start a child agent; gives its id. It goes on when this one ends, but is cancelled with it."""
        given = None if priority is None else check_priority(priority)
        return Request("agent", "spawn", {"program": program, "task": task, "priority": given})

    def wait(self, child: str) -> Request[Json]:
        """The result of a child agent, when it has one.

        Raises (when awaited):
            ChildFailed: the child failed or was cancelled.
        """
        return Request("agent", "wait", {"agent": str(child)})

    def ask(self, question: str, *, choices: Sequence[str] = ()) -> Request[Json]:
        """Ask a human; gives the answer of `aios answer` or `client.answer`. No worker is held meanwhile."""
        return Request("agent", "ask", {"question": question, "choices": list(choices)})

    def step(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Request[T]:
        """Run an ordinary function here, once, and journal its JSON result. At least once if the worker dies in it."""
        name = getattr(function, "__qualname__", repr(function))
        return Request("agent", "step", {"function": name}, decode=last, local=lambda: function(*args, **kwargs))

    def now(self) -> Request[datetime]:
        """The time, journalled: a replay sees the same."""
        return Request("agent", "now", decode=lambda r: datetime.fromisoformat(r[-1]), local=_now)

    def random(self) -> Request[float]:
        """A number in [0, 1), journalled."""
        return Request("agent", "random", local=random_numbers.random)

    def uuid(self) -> Request[UUID]:
        """A new id, journalled."""
        return Request("agent", "uuid", decode=lambda r: UUID(r[-1]), local=lambda: str(new_id()))

    def patched(self, id: str) -> Request[bool]:
        """True for agents that reach this place for the first time, False for journals older than the change `id`."""
        return Request("agent", "patched", {"id": id}, local=lambda: True)

    def continue_as_new(self, task: Json) -> NoReturn:
        """Begin again with this task and an empty journal: for agents that would otherwise run for ever."""
        raise ContinueAsNew(task)


def reply(result: JsonObject) -> Reply:
    """The reply in the result of an `llm` syscall, its message read from the context it ended in."""
    message = result["message"]
    return Reply(
        text=message.get("content") or "",
        tool_calls=tuple(ToolCall.from_json(c) for c in message.get("tool_calls", ())),
        finish_reason=result["finish_reason"],
        usage=Usage(**(result.get("usage") or {})),
        core=result.get("core") or "",
    )


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


def _note(value: JsonObject) -> Note:
    return Note(**{**value, "tags": tuple(value.get("tags", ()))})


def _nothing(results: list[Json]) -> None:
    del results


def _now() -> str:
    return datetime.now(tz=UTC).isoformat()
