"""Driving a program by hand against its journal: no event loop, nothing waits on a worker.

`Run.advance` sends results into the coroutine until every branch is waiting for a request that the journal has no answer
to, or the program ends. New requests are collected, numbered hierarchically (`3`, inside a gather `4.1.2`), so that the
order in which branches complete never changes a replay. The same `Run` may be advanced again when more answers are there
(a live coroutine), or thrown away and rebuilt from the journal: both give the same requests.

Source of the idea: durable execution by replay, as in Temporal and DBOS; journal keyed by step.
"""

from __future__ import annotations

import threading
import traceback
from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from aios.errors import (
    AiosError,
    BudgetSpent,
    Evicted,
    ForeignAwaitable,
    NondeterminismError,
    ProgramBroke,
    ProgramFailed,
    Signal,
)
from aios.kernel.contexts import Chains
from aios.kernel.request import Gather, Request
from aios.kernel.values import Json, canonical, short

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from contextvars import Context

    from aios.kernel.plan import Call

HALTS = (NondeterminismError, BudgetSpent)
"""Errors that end the run itself; a program cannot catch them."""

_RAISED = (Exception, SystemExit, KeyboardInterrupt, CancelledError, GeneratorExit)
"""What code of the program's own may raise: `sys.exit()` ends its agent, never the worker's thread."""

_EVICTIONS = 100  # a program that answers this many evictions with another request never lets go


@dataclass(frozen=True)
class Entry:
    """What the journal holds for one request: open, or settled with results or an error.

    Attributes:
        context: digest of the conversation with the reply, stored for as long as the journal.
    """

    digest: bytes
    label: str
    open: bool = False
    results: list[Json] = field(default_factory=list)
    error: AiosError | None = None
    context: bytes | None = None


@dataclass(frozen=True)
class Issued:
    """A request that the journal did not know.

    Attributes:
        prefixes: digests of every prefix of its messages.
        entry: its settled entry when it needs no syscall; None when `plan` answers it.
        plan: the syscalls that answer it.
    """

    seq: str
    request: Request[Any]
    digest: bytes
    prefixes: list[bytes]
    entry: Entry | None = None
    plan: tuple[Call, ...] = ()


Issue = Callable[["Request[Any]"], "Json | tuple[Call, ...]"]
"""Answers a new request with its plan, a tuple of calls, or at once with a JSON value.

What it raises is the request's error, journalled, but for `Halt`s, which end the run.
"""


@dataclass(frozen=True)
class Returned:
    """The program returned this JSON value."""

    value: Json


@dataclass(frozen=True)
class Raised:
    """The program ended with this error."""

    error: AiosError


@dataclass(frozen=True)
class Continued:
    """The program asked to begin again with this task and an empty journal (`agent.continue_as_new`)."""

    task: Json


Outcome = Returned | Raised | Continued


class ContinueAsNew(Signal):
    """`ContinueAsNew(task)`: raised by `agent.continue_as_new`."""


class Run:
    """One program under way."""

    def __init__(self, coroutine: Coroutine[object, Any, Json], issue: Issue | None = None) -> None:
        self._root = _Frame(coroutine, prefix="", context=copy_context())
        self._issue = issue
        self._journal: Mapping[str, Entry] = {}
        self._issued: list[Issued] = []
        self._visited: set[str] = set()
        self._gathers: dict[str, str] | None = None
        self._chains = Chains()
        self.outcome: Outcome | None = None

    def advance(self, journal: Mapping[str, Entry], issue: Issue | None = None) -> list[Issued]:
        """Go on as far as the journal's answers reach; the requests that are new.

        Args:
            journal: what is known; of a run that went on before, the requests that were open suffice.
            issue: what answers new requests from now on.

        Raises:
            NondeterminismError: the program asks for something else than the journal holds.
            BudgetSpent: a new request would go beyond the agent's budgets.
        """
        self._journal, self._issued, self._issue = journal, [], issue or self._issue
        self._root.advance(self)
        if self._root.settled is not None:
            self.outcome = self._end(self._root.settled)
        return self._issued

    def evict(self) -> None:
        """Drop the coroutine: its `finally` blocks run, its requests in them do not.

        Raises:
            ProgramBroke: it swallows the signal for ever.
        """
        self._root.evict()

    def ask(self, seq: str, request: Request[Any]) -> Entry | None:
        """The settled entry of request `seq`, or None: it is open, or was issued just now."""
        whole = request.fingerprint(self._chains)
        self._visited.add(seq)
        known = self._journal.get(seq)
        if known is not None:
            if known.digest != whole:
                raise NondeterminismError(seq, known.label, request.label)
            return None if known.open else known
        if (gather := self._gather(seq)) is not None:
            raise NondeterminismError(seq, gather, request.label)
        issued = self._new(seq, request, whole)
        self._issued.append(issued)
        return issued.entry

    def _new(self, seq: str, request: Request[Any], whole: bytes) -> Issued:
        if self._issue is None:
            raise ProgramBroke("asked for something before anybody could answer it")
        prefixes = self._chains.digests(request.messages) if request.messages else []
        try:
            answer = self._issue(request)
            if isinstance(answer, tuple):
                return Issued(seq, request, whole, prefixes, plan=answer)
            canonical(answer, what=f"the result of {request.name}")
        except HALTS:
            raise
        except AiosError as error:
            return Issued(seq, request, whole, prefixes, Entry(whole, request.label, error=error))
        except _RAISED as error:  # agent.step runs the program's own code: its error is the program's
            if _is_ctrl_c(error):
                raise
            return Issued(seq, request, whole, prefixes, Entry(whole, request.label, error=_as_failure(error)))
        return Issued(seq, request, whole, prefixes, Entry(whole, request.label, results=[answer]))

    def answer(self, seq: str) -> Entry | None:
        """The settled entry of a request asked before, or None while it is open."""
        known = self._journal.get(seq)
        return None if known is None or known.open else known

    def recorded(self, seq: str) -> str | None:
        """The label of what the journal holds at `seq`."""
        known = self._journal.get(seq)
        return self._gather(seq) if known is None else known.label

    def begin_gather(self, seq: str) -> None:
        """A gather is what the program asks for at `seq`.

        Raises:
            NondeterminismError: the journal holds a request there.
        """
        known = self._journal.get(seq)
        if known is not None:
            raise NondeterminismError(seq, known.label, "agent.gather")

    def _gather(self, seq: str) -> str | None:
        """What the journal that this run began with holds of a gather at `seq`: of the gather itself there is no entry."""
        if self._gathers is None:
            self._gathers = {}
            for inside, entry in self._journal.items():
                outer = _outer(inside)
                while outer and outer not in self._gathers:
                    self._gathers[outer] = f"agent.gather of {entry.label}"
                    outer = _outer(outer)
        return self._gathers.get(seq)

    def _end(self, settled: _Settled) -> Outcome:
        if isinstance(settled.error, ContinueAsNew):
            return Continued(settled.error.args[0])
        left = next((seq for seq in self._journal if seq not in self._visited), None)
        if left is not None:
            raise NondeterminismError(left, self._journal[left].label, f"the end of the program ({settled})")
        if settled.error is not None:
            return Raised(_as_failure(settled.error))
        try:
            canonical(settled.value, what="the program's result")
        except AiosError as error:
            return Raised(error)
        return Returned(settled.value)


class _Settled(NamedTuple):
    value: Any = None
    error: BaseException | None = None

    def __str__(self) -> str:
        return f"raised {type(self.error).__name__}" if self.error else f"returned {short(self.value, 40)}"


def _outer(seq: str) -> str:
    """The number of the gather in whose branch `seq` is: of 2.1.3, 2; of what is in none, an empty text."""
    return seq.rpartition(".")[0].rpartition(".")[0]


class _Frame:
    """A coroutine, the prefix of its requests' numbers, and what it waits for."""

    def __init__(self, coroutine: Coroutine[object, Any, Any], *, prefix: str, context: Context) -> None:
        self._coroutine = coroutine
        self._context = context  # of its own: what one branch of a gather sets no other one sees, whichever comes first
        self._prefix = prefix
        self._count = 0
        self._waits: _Wait | None = None
        self._inbox = _Settled()
        self.settled: _Settled | None = None

    def advance(self, run: Run) -> None:
        while self.settled is None:
            if self._waits is not None:
                inbox = self._waits.poll(run)
                if inbox is None:
                    return
                self._inbox, self._waits = inbox, None
            self._step(run)

    def _step(self, run: Run) -> None:
        inbox, self._inbox = self._inbox, _Settled()
        try:
            if inbox.error is not None:
                asked = self._context.run(self._coroutine.throw, inbox.error)
            else:
                asked = self._context.run(self._coroutine.send, inbox.value)
        except StopIteration as stop:
            self.settled = _Settled(value=stop.value)
        except HALTS:
            raise
        except (*_RAISED, ContinueAsNew) as error:  # the program's own error is its outcome
            if _is_ctrl_c(error):
                raise
            self.settled = _Settled(error=error)
        else:
            self._accept(run, asked)

    def _accept(self, run: Run, asked: object) -> None:
        if isinstance(asked, Request):
            if asked.name == "agent.patched" and not self._is_patched(run, asked):
                self._inbox = _Settled(value=False)
                return
            self._count += 1
            self._ask(run, f"{self._prefix}{self._count}", asked)
        elif isinstance(asked, Gather):
            self._count += 1
            run.begin_gather(f"{self._prefix}{self._count}")
            self._waits = _Group(asked, prefix=f"{self._prefix}{self._count}.", context=self._context)
        else:
            self._inbox = _Settled(error=ForeignAwaitable(_describe(asked)))

    def _ask(self, run: Run, seq: str, request: Request[Any]) -> None:
        try:
            entry = run.ask(seq, request)
        except HALTS:
            raise
        except AiosError as error:  # an argument is no JSON: the program's to catch, and the same at each replay
            self._inbox = _Settled(error=error)
            return
        if entry is None:
            self._waits = _Answer(seq, request)
        else:
            self._inbox = _settle(request, entry)

    def _is_patched(self, run: Run, request: Request[Any]) -> bool:
        """An old journal has something else where the patch's mark would be: then this run is not patched."""
        recorded = run.recorded(f"{self._prefix}{self._count + 1}")
        return recorded is None or recorded == request.label

    def evict(self) -> None:
        if isinstance(self._waits, _Group):
            self._waits.evict()
        if self.settled is not None:
            return
        for _ in range(_EVICTIONS):
            try:
                self._context.run(self._coroutine.throw, Evicted())
            except (StopIteration, Evicted):
                return
            except Exception:  # noqa: BLE001  # a program's own clean-up failed while it is being dropped: not an outcome
                return
        raise ProgramBroke("swallows the signal that evicts it (it catches BaseException)")


class _Answer:
    """Waiting for one request."""

    def __init__(self, seq: str, request: Request[Any]) -> None:
        self._seq = seq
        self._request = request

    def poll(self, run: Run) -> _Settled | None:
        entry = run.answer(self._seq)
        return None if entry is None else _settle(self._request, entry)


class _Group:
    """Waiting for all branches of a gather."""

    def __init__(self, gather: Gather[Any], *, prefix: str, context: Context) -> None:
        self._frames = [
            _Frame(_as_coroutine(b), prefix=f"{prefix}{i}.", context=context.copy())
            for i, b in enumerate(gather.branches, start=1)
        ]

    def poll(self, run: Run) -> _Settled | None:
        for frame in self._frames:
            frame.advance(run)
        if any(frame.settled is None for frame in self._frames):
            return None
        settled = [frame.settled for frame in self._frames if frame.settled is not None]
        error = next((s.error for s in settled if s.error is not None), None)
        return _Settled(error=error) if error else _Settled(value=[s.value for s in settled])

    def evict(self) -> None:
        for frame in self._frames:
            frame.evict()


_Wait = _Answer | _Group


def _as_coroutine(awaitable: Awaitable[Any]) -> Coroutine[object, Any, Any]:
    """The branch itself when it is a coroutine: a wrapper dropped before its start would leave it never awaited."""
    return awaitable if isinstance(awaitable, Coroutine) else _awaiting(awaitable)


async def _awaiting(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _settle(request: Request[Any], entry: Entry) -> _Settled:
    if entry.error is not None:
        return _Settled(error=entry.error)
    return _Settled(value=request.decode(entry.results))


def _as_failure(error: BaseException) -> AiosError:
    if isinstance(error, AiosError):
        return error
    text = "".join(traceback.format_exception(error))
    if isinstance(error, RuntimeError) and "no running event loop" in str(error):
        return ForeignAwaitable(f"something that needs an event loop ({error})")
    return ProgramFailed(type(error).__name__, str(error), text)


def _is_ctrl_c(error: BaseException) -> bool:
    """Whether somebody wants the process to end: signals come to the main thread, as when a program is played in a test."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def _describe(asked: object) -> str:
    return (
        f"a bare yield of {asked!r}" if asked is not None else "a foreign awaitable (it yielded None, as asyncio does)"
    )
