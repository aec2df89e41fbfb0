"""Context windows: which turns of a conversation stay when it does not fit into what a core can read. Pure.

A *turn* is what must not be torn apart: a message, or an assistant's tool calls with all their results. Turns go oldest
first. What stays whatever happens: system messages, pinned turns, the last question of the user, and the last turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aios.errors import InvalidArgument, did_you_mean
from aios.kernel.values import canonical

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence

    from aios.kernel.values import JsonObject

PIN: Final = "pinned"
"""A message with this field true stays; no core is shown the field."""

LOW_WATER: Final = 0.5
"""Part of the room that a conversation may still fill after turns were folded away: so that not every turn does it."""


class Strategy(StrEnum):
    """What happens to a conversation that does not fit: nothing silent."""

    ERROR = "error"
    DROP_OLDEST = "drop_oldest"
    SUMMARISE = "summarise"
    PAGE_OUT = "page_out"

    @property
    def folds(self) -> bool:
        """Whether something takes the place of the turns that go, which is work of its own in the journal."""
        return self in (Strategy.SUMMARISE, Strategy.PAGE_OUT)


def strategy_of(name: str) -> Strategy:
    """The strategy of that name.

    Raises:
        InvalidArgument: there is none.
    """
    try:
        return Strategy(name)
    except ValueError:
        near = did_you_mean(str(name), list(Strategy))
        hint = f"did you mean {str(near[0])!r}?" if near else "give one of " + ", ".join(Strategy)
        raise InvalidArgument("context", name, hint) from None


@dataclass(frozen=True)
class Turn:
    """Messages `start` up to but without `stop`, which go together or not at all."""

    start: int
    stop: int
    stays: bool


def turns(messages: Sequence[JsonObject]) -> list[Turn]:
    """A conversation's turns, oldest first."""
    starts = [i for i, message in enumerate(messages) if i == 0 or not _continues(messages, i)]
    questions = (i for i in range(len(messages) - 1, -1, -1) if messages[i].get("role") == "user")
    question = next(questions, None)
    made = []
    for start, stop in zip(starts, [*starts[1:], len(messages)], strict=True):
        last = stop == len(messages) or (question is not None and start <= question < stop)
        stays = last or any(_is_kept(message) for message in messages[start:stop])
        made.append(Turn(start, stop, stays))
    return made


def droppable(messages: Sequence[JsonObject]) -> list[Turn]:
    """The turns that may go, oldest first."""
    return [turn for turn in turns(messages) if not turn.stays]


def gone(messages: Sequence[JsonObject], count: int) -> frozenset[int]:
    """Positions of the messages that go with the `count` oldest turns that may."""
    return frozenset(i for turn in droppable(messages)[:count] for i in range(turn.start, turn.stop))


def without(messages: Sequence[JsonObject], positions: Collection[int]) -> list[JsonObject]:
    """The conversation without those messages."""
    return [message for i, message in enumerate(messages) if i not in positions]


def unpinned(messages: Sequence[JsonObject]) -> list[JsonObject]:
    """The messages as a core is shown them."""
    return [{k: v for k, v in m.items() if k != PIN} if PIN in m else m for m in messages]


def size_bytes(messages: Sequence[JsonObject]) -> int:
    """Bytes of what the messages say, never fewer than tokens."""
    return sum(map(_bytes, messages))


def guess(messages: Sequence[JsonObject], *, over: float) -> int:
    """How many turns probably have to go so that a part `over` of all bytes does.

    Args:
        messages: the conversation.
        over: the part that is too much, 0 to 1.
    """
    excess = over * size_bytes(messages)
    for count, turn in enumerate(droppable(messages)):
        if excess <= 0:
            return count
        excess -= size_bytes(messages[turn.start : turn.stop])
    return len(droppable(messages))


def fewest(most: int, *, start: int) -> Generator[int, bool, int | None]:
    """The smallest of 1..most that fits, if all larger ones do too; None: none does.

    A generator, since only a core can tell what fits: it yields what to try and is sent whether that fits.

    Args:
        most: the largest possible number.
        start: a guess; the nearer, the fewer tries.
    """
    low, high, step, probe = 0, most + 1, 1, min(max(start, 1), most)
    while high - low > 1:
        if (yield probe):
            high, towards = probe, probe - step
        else:
            low, towards = probe, probe + step
        step *= 2
        probe = towards if low < towards < high else (low + high) // 2
    return high if high <= most else None


def pages(messages: Sequence[JsonObject], *, longest: int) -> list[str]:
    """A conversation as texts of at most `longest` characters to be stored and found again: one per message, or several."""
    return [part for message in messages for part in _parts(message, longest)]


def transcript(messages: Sequence[JsonObject]) -> str:
    """A conversation as one text, for a summary."""
    return "\n".join(_told(message) for message in messages)


def _continues(messages: Sequence[JsonObject], position: int) -> bool:
    return messages[position].get("role") == "tool"


def _bytes(message: JsonObject) -> int:
    content = message.get("content")
    if isinstance(content, str) and len(message) == 2:  # noqa: PLR2004  # role and content: nearly all are
        return len(content) if content.isascii() else len(content.encode("utf-8", "replace"))
    return len(canonical(message, what="message"))


def _is_kept(message: JsonObject) -> bool:
    return message.get("role") == "system" or bool(message.get(PIN))


def _told(message: JsonObject) -> str:
    content = message.get("content") or ""
    text = content if isinstance(content, str) else canonical(content, what="content").decode()
    called = [call["function"] for call in message.get("tool_calls") or ()]
    calls = [f"{c['name']}({canonical(c['arguments'], what='arguments').decode()})" for c in called]
    return f"{message['role']}: " + " ".join(part for part in [text, *calls] if part)


def _parts(message: JsonObject, longest: int) -> list[str]:
    text = _told(message)
    role, _, said = text.partition(": ")
    return [f"{role}: {part}" for part in _cut(said, longest - len(role) - 2)] if said.strip() else []


def _cut(text: str, longest: int) -> list[str]:
    """Pieces of a text, cut at the last blank that leaves them short enough."""
    pieces = []
    while len(text) > longest:
        at = text.rfind(" ", longest // 2, longest)
        at = longest if at < 0 else at
        pieces.append(text[:at])
        text = text[at:].lstrip()
    return [*pieces, text] if text else pieces
