"""Conversations longer than a core's window: what a chat does when it faults, and what a program remembers of it.

A chat is asked as it is. If its core finds that it does not fit, the syscall fails with `ContextOverflow`, which says how
many turns have to go; then they are summarised, or stored as memories, by requests of the same agent, and the chat is asked
again without them. All of that stands in the journal like every other request: it is scheduled, budgeted and access-checked,
and neither a replay nor a crash repeats it. While a conversation fits nothing is added.

A fold made once serves all later chats that begin with the same messages. Folds are kept per branch of a program (a context
variable, copied into the branches of a `gather`), so that which of two branches was quicker never shows in a replay.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from aios.errors import ContextOverflow
from aios.kernel import windows
from aios.kernel.chat import Dropped
from aios.kernel.request import Gather, Request
from aios.kernel.windows import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from aios.kernel.values import Json, JsonObject

T = TypeVar("T")

PAGE_TAG: Final = "paged-out"
_PAGES: Final = (8, 16)  # recalled for a question, the more the larger the room: a large one holds many windows' worth
_ROOM_PER_PAGE: Final = 480  # tokens
_PAGES_AT_ONCE: Final = 128  # in one syscall: an embedding takes milliseconds, a syscall has a minute
_LONGEST_PAGE: Final = (64, 800)  # characters: at most about what a small embedder reads of a text
_PAGE_SHARE: Final = 3  # tokens of room per character of a page: all that are recalled fill two thirds of it at most
_SUMMARY_SHARE: Final = 8  # a summary may fill this part of the room
_SUMMARY_TOKENS: Final = (32, 512)
_CHARACTERS_PER_TOKEN: Final = 6
_SMALLEST_PIECE: Final = 64  # characters of a transcript that is halved no further
_FOLDS: Final = 4  # conversations of one branch that are remembered

_TASK: Final = (
    "You keep the minutes of a conversation. Write down, shortly and completely, what matters later on: facts, names, numbers, "
    "decisions, open questions. Keep all that earlier minutes say. Write nothing else."
)
_HEADING: Final = "What was said before, in short:"


@dataclass(frozen=True)
class Fold:
    """What stands for the beginning of a conversation.

    Attributes:
        covered: the messages that it stands for, as the program gave them.
        head: those of them that stay.
        summary: what was said in the others; empty when they were paged out.
        dropped: how many messages went.
        recalls: how many pages are recalled with each question; 0: none was paged out.
    """

    covered: tuple[JsonObject, ...] = ()
    head: tuple[JsonObject, ...] = ()
    summary: str = ""
    dropped: int = 0
    recalls: int = 0

    def shown(self, messages: Sequence[JsonObject]) -> list[JsonObject]:
        """The conversation as it is asked."""
        return [*_with_summary(self.head, self.summary), *messages[len(self.covered) :]]

    def fits(self, messages: Sequence[JsonObject]) -> bool:
        """Whether the conversation begins with what this stands for."""
        return len(messages) > len(self.covered) and all(
            map(dict.__eq__, messages, self.covered)  # the same strings again: compared by identity
        )


_KNOWN: ContextVar[tuple[Fold, ...]] = ContextVar("aios_folds", default=())


class Folding(Generic[T]):
    """A chat whose conversation may be folded: await it like a request.

    Args of the constructor:
        request: the chat as it would be asked if it fitted.
        strategy: `summarise` or `page_out`.
        told: puts what was folded into the awaited value.
    """

    def __init__(self, request: Request[T], strategy: Strategy, told: Callable[[T, Dropped], T]) -> None:
        self._request = request
        self._strategy = strategy
        self._told = told

    def __await__(self) -> Generator[object, T, T]:
        """Ask; fold and ask again while it does not fit."""
        return self._asked().__await__()

    async def _asked(self) -> T:
        messages = list(self._request.messages or ())
        fold = next((known for known in _KNOWN.get() if known.fits(messages)), Fold())
        while True:
            try:
                value = await self._chat(fold, messages)
            except ContextOverflow as fault:
                if not fault.turns:
                    raise
                fold = await self._folded(fold, messages, fault)
                _KNOWN.set((fold, *(known for known in _KNOWN.get() if not _extends(fold, known)))[:_FOLDS])
            else:
                dropped = Dropped(self._strategy.value, fold.dropped, fold.summary)
                return self._told(value, dropped) if fold.dropped else value

    def _chat(self, fold: Fold, messages: Sequence[JsonObject]) -> Request[T]:
        request = replace(self._request, messages=fold.shown(messages))
        if not fold.recalls:
            return request
        return _recalling(request, query=_question(messages), pages=fold.recalls)

    async def _folded(self, fold: Fold, messages: Sequence[JsonObject], fault: ContextOverflow) -> Fold:
        """The fold with the oldest turns gone too, and what is kept of them put where it can be found."""
        shown = fold.shown(messages)
        added = len(shown) - (len(messages) - len(fold.covered)) - len(fold.head)  # a system message for the summary
        bare = [*fold.head, *messages[len(fold.covered) :]]
        away = frozenset(i - added for i in windows.gone(shown, fault.turns))
        dropped = [bare[i] for i in sorted(away)]
        cut = max(len(fold.head), max(away) + 1)
        made = Fold(
            covered=(*fold.covered, *(dict(m) for m in bare[len(fold.head) : cut])),
            head=tuple(windows.without(bare[:cut], away)),
            dropped=fold.dropped + len(dropped),
        )
        if self._strategy is Strategy.PAGE_OUT:
            least, most = _LONGEST_PAGE
            longest = max(least, min(most, fault.room // _PAGE_SHARE))
            texts = windows.pages(dropped, longest=longest)
            await Gather(tuple(_page_out(texts[i : i + _PAGES_AT_ONCE]) for i in range(0, len(texts), _PAGES_AT_ONCE)))
            few, many = _PAGES
            return replace(made, recalls=max(few, min(many, fault.room // _ROOM_PER_PAGE)))
        told = f"Earlier minutes: {fold.summary}\n\n" if fold.summary else ""
        return replace(made, summary=await _summary(self._request, told + windows.transcript(dropped), fault.room))


async def _summary(request: Request[T], text: str, room: int) -> str:
    """What a text says, in short; one that is itself too long is told in halves."""
    least, most = _SUMMARY_TOKENS
    limit = max(least, min(most, room // _SUMMARY_SHARE))
    try:
        said = await _minutes(request, text, limit)
    except ContextOverflow:
        if len(text) <= _SMALLEST_PIECE:
            raise
        middle = len(text) // 2
        halves = await _summary(request, text[:middle], room), await _summary(request, text[middle:], room)
        said = "\n".join(halves)
        if limit * _CHARACTERS_PER_TOKEN < len(said) < len(text):
            said = await _summary(request, said, room)
    return said


def _minutes(request: Request[T], text: str, limit: int) -> Request[str]:
    messages = [{"role": "system", "content": _TASK}, {"role": "user", "content": text}]
    args: JsonObject = {"sampling": {"max_tokens": limit, "temperature": 0.0}}
    if "model" in request.args:
        args["model"] = request.args["model"]
    return Request("llm", "chat", args, messages=messages, decode=_said)


def _said(results: list[Json]) -> str:
    return str(results[-1]["message"].get("content") or "").strip()


def _page_out(texts: Sequence[str]) -> Request[Json]:
    return Request("memory", "page_out", {"pages": list(texts), "tags": [PAGE_TAG]})


def _recalling(request: Request[T], *, query: str, pages: int) -> Request[T]:
    """The chat with the pages that matter to its question in front; a recall that the program asked for finds them too."""
    if "recall" in request.args or not query.strip():
        return request
    args = {**request.args, "recall": {"query": query, "k": pages, "tags": [PAGE_TAG]}}
    return replace(request, args=args, spelled=None, decode=lambda results: request.decode(results[1:]))


def _question(messages: Sequence[JsonObject]) -> str:
    asked = (m.get("content") for m in reversed(messages) if m.get("role") == "user")
    return next((text for text in asked if isinstance(text, str)), "")


def _with_summary(head: Sequence[JsonObject], summary: str) -> list[JsonObject]:
    if not summary:
        return list(head)
    text = f"{_HEADING}\n{summary}"
    first = head[0] if head else None
    if first is not None and first["role"] == "system" and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n\n{text}"}, *head[1:]]
    return [{"role": "system", "content": text}, *head]


def _extends(fold: Fold, known: Fold) -> bool:
    """Whether a fold is about the same conversation as an older one, and so takes its place."""
    return fold.covered[: len(known.covered)] == known.covered
