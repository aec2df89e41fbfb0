"""What a program sees of the kernel: its agent. Every method makes a request; none does I/O."""

from __future__ import annotations

import random as random_numbers
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypeVar
from uuid import UUID

from aios.errors import InvalidArgument
from aios.kernel.ids import new_id
from aios.kernel.replay import ContinueAsNew
from aios.kernel.request import Gather, Request, last, nothing
from aios.kernel.resources.access import Access
from aios.kernel.resources.llm import LLM
from aios.kernel.resources.memory import Memory
from aios.kernel.resources.storage import Storage
from aios.kernel.resources.tool import Tools
from aios.kernel.words import check_priority

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aios.kernel.recall import AutoMemory
    from aios.kernel.values import Json

T = TypeVar("T")
P = ParamSpec("P")


class Agent:
    """One run of a program, as the program sees it.

    Attributes:
        id: the agent's id.
        tools: the tools its program declared.
    """

    def __init__(
        self,
        *,
        id: UUID,
        tools: tuple[str, ...] = (),
        parent_id: UUID | None = None,
        context: str = "error",
        memory: AutoMemory | None = None,
    ) -> None:
        self.id = id
        self.tools = tools
        self.parent_id = parent_id
        self.llm = LLM(context=context, memory=memory)
        self.memory = Memory()
        self.storage = Storage(self.llm)
        self.tool = Tools()
        self.access = Access()

    def gather(self, *requests: Awaitable[T]) -> Gather[T]:
        """Requests (or coroutines of requests) side by side; the results in order, or the lowest branch's error."""
        return Gather(requests)

    def sleep(self, duration: float | timedelta) -> Request[None]:
        """Wait, durably: no worker is held. Seconds or a timedelta; exact to about a second."""
        seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
        if not 0 <= seconds < timedelta(days=3660).total_seconds():
            raise InvalidArgument("sleep", duration, "give 0 seconds to 10 years")
        return Request("agent", "sleep", {"seconds": seconds}, decode=nothing)

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


def _now() -> str:
    return datetime.now(tz=UTC).isoformat()
