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

if TYPE_CHECKING:
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
    shown = replace(prompt, messages=windows.unpinned(prompt.messages))
    how = windows.strategy_of(strategy)
    if isinstance(driver, Several):
        driver = await driver.narrowest(prompt)
    if how is Strategy.ERROR and not isinstance(driver, TokenCounter):
        return Fitted(shown)
    window = (await driver.info()).max_total_tokens
    wanted = prompt.sampling.max_tokens
    if prompt.text is not None or _surely_fits(prompt, window - (wanted or reply_tokens)):
        return Fitted(shown)
    # Without a wish of its own a reply gets what is left, were it one token; where turns may go they make place for it.
    reply = wanted or (1 if how is Strategy.ERROR else min(reply_tokens, window // 2))
    return await _fitted(prompt, shown, _Room(driver, window - reply), how)


async def _fitted(prompt: Prompt, shown: Prompt, room: _Room, how: Strategy) -> Fitted:
    length = windows.size_bytes(prompt.messages)
    hopeless = how is not Strategy.ERROR and length > _HOPELESS * room.tokens
    tokens = length // _BYTES_PER_TOKEN if hopeless else await room.count(shown)
    if tokens <= room.tokens and not hopeless:
        return Fitted(shown)
    overflow = (room.driver.name, tokens, room.tokens)
    if how is Strategy.ERROR:
        raise ContextOverflow(*overflow, 0)
    count = await _fewest(prompt, room, tokens=tokens, target=room.tokens)
    if count is None:
        raise ContextOverflow(*overflow, 0)
    if how.folds:
        more = await _fewest(prompt, room, tokens=tokens, target=int(room.tokens * LOW_WATER))
        raise ContextOverflow(*overflow, more or len(windows.droppable(prompt.messages)))
    left = _without(prompt, count)
    return Fitted(left, Dropped(how.value, len(prompt.messages) - len(left.messages)))


async def _fewest(prompt: Prompt, room: _Room, *, tokens: int, target: int) -> int | None:
    """How many turns have to go so that the conversation has `target` tokens; None: it has more without any of them."""
    most = len(windows.droppable(prompt.messages))
    if not most:
        return None
    search = windows.fewest(most, start=windows.guess(prompt.messages, over=1 - target / tokens))
    try:
        probe = next(search)
        while True:
            probe = search.send(await room.count(_without(prompt, probe)) <= target)
    except StopIteration as found:
        count: int | None = found.value
        return count


def _without(prompt: Prompt, count: int) -> Prompt:
    left = windows.without(prompt.messages, windows.gone(prompt.messages, count))
    return replace(prompt, messages=windows.unpinned(left))


def _surely_fits(prompt: Prompt, room: int) -> bool:
    """Whether bytes alone tell: a token has at least one. Tools are told in the prompt, too: with them it is counted."""
    if prompt.tools:
        return False
    marks = _MARKS + _MARKS_PER_MESSAGE * len(prompt.messages)
    return windows.size_bytes(prompt.messages) + marks <= room


def _estimated(prompt: Prompt) -> int:
    tools = sum(len(str(spec.to_json())) for spec in prompt.tools)
    marks = _MARKS + _MARKS_PER_MESSAGE * len(prompt.messages)
    return (windows.size_bytes(prompt.messages) + tools) // _BYTES_PER_TOKEN + marks
