"""Fitting a conversation into a core's window, by the core's own count: drop the oldest turns, or say what is too much.

Counting costs a request to the engine, so it is done only where bytes do not show already that everything fits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aios.errors import ContextOverflow
from aios.kernel import windows
from aios.kernel.chat import Dropped
from aios.kernel.ports import Several, TokenCounter
from aios.kernel.windows import LOW_WATER, Strategy
from aios.llm.prompt import with_memories

if TYPE_CHECKING:
    from collections.abc import Callable

    from aios.kernel.ports import Driver, Prompt

_MARKS_PER_MESSAGE: Final = 16  # tokens that a template puts round a message, at most
_MARKS: Final = 64  # and round the whole
_BYTES_PER_TOKEN: Final = 4
_HOPELESS: Final = 12  # bytes per token of room: so long a conversation is not counted whole


@dataclass(frozen=True)
class Fitted:
    """A prompt that fits, and what was left out of it; None: nothing."""

    prompt: Prompt
    dropped: Dropped | None = None


@dataclass(frozen=True)
class _Room:
    """What a core has for one prompt."""

    driver: Driver
    tokens: int

    async def count(self, prompt: Prompt) -> int:
        return await self.driver.count(prompt) if isinstance(self.driver, TokenCounter) else _estimated(prompt)


async def fit(prompt: Prompt, *, driver: Driver, strategy: str, reply_tokens: int) -> Fitted:
    """The prompt as the core can read it.

    Args:
        prompt: as it was asked; the mark of pinned messages is taken off.
        driver: of the core that will be asked; one that cannot count is taken to need a token for four bytes, where turns
            may go, and to refuse for itself what is too long, where none may.
        strategy: what may happen to the conversation.
        reply_tokens: kept free where the request does not say how long its reply may be.

    Raises:
        ContextOverflow: it does not fit, and the strategy, or what has to stay, lets nothing go here.
    """
    how = windows.strategy_of(strategy)
    if prompt.text is not None:  # no conversation: the core says what is too long
        return Fitted(prompt)
    if isinstance(driver, Several):
        driver = await driver.narrowest(prompt)
    if how is Strategy.ERROR and not isinstance(driver, TokenCounter):
        return Fitted(_shown(prompt))
    info, wanted = await driver.info(), prompt.sampling.max_tokens
    window, longest = info.max_total_tokens, info.max_input_tokens or info.max_total_tokens
    if _surely_fits(prompt, min(longest, window - (wanted or reply_tokens))):
        return Fitted(_shown(prompt))
    # Without a wish of its own a reply gets what is left, were it one token; where turns may go they make place for it.
    reply = wanted or (1 if how is Strategy.ERROR else min(reply_tokens, window // 2))
    return await _fitted(prompt, _Room(driver, min(longest, window - reply)), how)


async def _fitted(prompt: Prompt, room: _Room, how: Strategy) -> Fitted:
    length = windows.size_bytes(prompt.messages)
    hopeless = how is not Strategy.ERROR and length > _HOPELESS * room.tokens
    tokens = length // _BYTES_PER_TOKEN if hopeless else await room.count(_shown(prompt))
    if tokens <= room.tokens and not hopeless:
        return Fitted(_shown(prompt))
    overflow = (room.driver.name, tokens, room.tokens)
    if how is Strategy.ERROR:
        raise ContextOverflow(*overflow, 0)
    most = len(windows.droppable(prompt.messages))
    gone = await _fewest_turns(prompt, room, tokens=tokens, target=room.tokens)
    silent = 0 if gone is not None else await _fewest_notes(prompt, room, gone=most)
    if silent is None:
        raise ContextOverflow(*overflow, 0)
    if how.folds and most:
        more = await _fewest_turns(prompt, room, tokens=tokens, target=int(room.tokens * LOW_WATER))
        raise ContextOverflow(*overflow, more or most)
    left = _shown(prompt, gone=most if gone is None else gone, silent=silent)
    hidden = windows.gone(prompt.messages, most if gone is None else gone)
    return Fitted(left, Dropped(how.value, len(hidden), notes=silent))


async def _fewest_turns(prompt: Prompt, room: _Room, *, tokens: int, target: int) -> int | None:
    """How many turns have to go so that the conversation has `target` tokens; None: it has more without any of them."""
    most = len(windows.droppable(prompt.messages))
    start = windows.guess(prompt.messages, over=1 - target / tokens)
    return await _search(most, start, lambda gone: _shown(prompt, gone=gone), room, target=target)


async def _fewest_notes(prompt: Prompt, room: _Room, *, gone: int) -> int | None:
    """How many of the recalled notes have to be left out; None: it does not help."""
    most = len(prompt.notes)
    return await _search(most, 1, lambda silent: _shown(prompt, gone=gone, silent=silent), room, target=room.tokens)


async def _search(most: int, start: int, less: Callable[[int], Prompt], room: _Room, *, target: int) -> int | None:
    if not most:
        return None
    search = windows.fewest(most, start=start)
    try:
        probe = next(search)
        while True:
            probe = search.send(await room.count(less(probe)) <= target)
    except StopIteration as found:
        number: int | None = found.value
        return number


def _shown(prompt: Prompt, *, gone: int = 0, silent: int = 0) -> Prompt:
    """What is asked without the `gone` oldest turns that may go, and without the `silent` last notes."""
    left = windows.without(prompt.messages, windows.gone(prompt.messages, gone)) if gone else prompt.messages
    notes = prompt.notes[: len(prompt.notes) - silent]
    return replace(prompt, messages=with_memories(windows.unpinned(left), notes), notes=())


def _surely_fits(prompt: Prompt, room: int) -> bool:
    """Whether bytes alone tell: a token has at least one. Tools are told in the prompt, too: with them it is counted."""
    if prompt.tools:
        return False
    marks = _MARKS + _MARKS_PER_MESSAGE * (len(prompt.messages) + len(prompt.notes))
    told = sum(len(note.encode("utf-8", "replace")) for note in prompt.notes)
    return windows.size_bytes(prompt.messages) + told + marks <= room


def _estimated(prompt: Prompt) -> int:
    tools = sum(len(str(spec.to_json())) for spec in prompt.tools)
    marks = _MARKS + _MARKS_PER_MESSAGE * len(prompt.messages)
    return (windows.size_bytes(prompt.messages) + tools) // _BYTES_PER_TOKEN + marks
