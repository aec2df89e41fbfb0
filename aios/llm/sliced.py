"""A generation in slices on a core that saves and restores KV states: what the driver for such a core does.

One request per slice, each with the state to go on from and a seed of its own. Between two slices the consumer is handed a
`Boundary`; the next request is sent when it asks for more. Nothing is shown before the core has taken the state, so that a
lost one costs nothing but time; then the tokens from before come first, as if they were generated now.
"""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aios.errors import AiosError, EngineFailed, EngineOverloaded, EngineRefused, StateLost
from aios.kernel.chat import Usage
from aios.kernel.ports import Boundary, Finish, Token
from aios.kernel.slices import Partial, joined, next_slice, seed_at
from aios.kernel.stops import Stops
from aios.llm import parse
from aios.llm.faults import DEFAULT_RETRY_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from aios.kernel.ports import Prompt
    from aios.kernel.slices import Slicing
    from aios.kernel.values import Json, JsonObject

ROUTE: Final = "/aios/slice"
DROP_ROUTE: Final = "/aios/states/drop"


@dataclass(frozen=True)
class Asked:
    """What a sliced generation is about.

    Attributes:
        core: the core's name, for errors.
        send: sends a body to `ROUTE`; the events of the answer.
        text: the prompt.
        parameters: of the native route, less `stop`, `seed` and `max_new_tokens`.
        limit: tokens of the whole answer at most.
        stops: stop strings, matched here: the core sees one slice at a time.
        slicing: how it is sliced, and what it goes on from.
    """

    core: str
    send: Callable[[JsonObject], AsyncGenerator[JsonObject, None]]
    text: str
    parameters: JsonObject
    limit: int
    stops: tuple[str, ...]
    slicing: Slicing


class Sliced:
    """One generation in slices."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._done = asked.slicing.done or Partial(0, (), None)
        self._earlier = self._done.tokens
        self._stops = Stops(asked.stops)
        self._shown: list[str] = []
        self._fresh: list[Token] = []
        self._prompt_tokens = 0
        self._end: JsonObject | None = None
        self._stale: list[str] = []
        self._goes_on = True

    async def run(self) -> AsyncGenerator[Token | Boundary | Finish, None]:
        """Its tokens, those from before first; a `Boundary` behind each slice but the last; its `Finish`.

        Raises:
            StateLost: what it goes on from is gone.
        """
        while True:
            seed = seed_at(self._asked.slicing.seed, len(self._done.tokens))
            async with aclosing(self._slice(seed)) as tokens:
                async for token in tokens:
                    yield token
            if self._over():
                for token in self._show(self._stops.rest()):
                    yield token
                yield self._finish()
                return
            fresh = self._step()
            yield Boundary(self._done, fresh, seed)

    async def _slice(self, seed: int) -> AsyncGenerator[Token, None]:
        """The tokens of one slice that may be shown."""
        self._fresh, self._end = [], None
        async with aclosing(self._asked.send(self._body(seed))) as events:
            async for event in events:
                self._raise_for(event)
                if "begin" in event:
                    self._prompt_tokens = int(event["begin"]["input_length"])
                for token in self._show([t for one in self._more(event) for t in self._stops.take(one)]):
                    yield token
                if self._stops.found:
                    return
        if self._end is None:
            have = len(self._done.tokens) + len(self._fresh)
            raise EngineFailed(self._asked.core, f"the stream broke off after {have} tokens")

    def _more(self, event: JsonObject) -> Sequence[Token]:
        """The tokens that an event adds.

        With the first one come those from before; with the last one those inside a character that no other token of the
        slice completed: its text comes with the next slice.
        """
        if "begin" in event:
            earlier, self._earlier = self._earlier, ()
            return earlier
        before, have = len(self._done.tokens), len(self._fresh)
        if "slice" in event:
            self._end = event["slice"]
            ids = self._end["ids"]
            more = [Token(before + place + 1, ids[place], "") for place in range(have, len(ids))]
        else:
            more = [parse.token(event)]
        self._fresh += more
        return more

    def _body(self, seed: int) -> JsonObject:
        done, asked = self._done, self._asked
        state = done.state
        if done.tokens and state is None and not asked.slicing.inexact:
            raise StateLost(asked.core, "its last slice left no state")
        size = next_slice(len(done.tokens), tokens=asked.slicing.tokens, limit=asked.limit)
        self._goes_on = len(done.tokens) + size < asked.limit
        stale, self._stale = self._stale, [str(state["id"])] if state else []
        return {
            "inputs": asked.text,
            "parameters": {**asked.parameters, "seed": seed, "max_new_tokens": size},
            "limit": asked.limit,
            "generated": [token.id for token in done.tokens],
            "state": {"id": state["id"], "digest": state["digest"]} if state else None,
            "keep": self._goes_on,
            "drop": stale,
        }

    def _over(self) -> bool:
        if self._stops.found or self._end is None or self._end["finish_reason"] != "length":
            return True
        return not self._goes_on

    def _step(self) -> int:
        """Go on to the next slice; how many tokens this one had."""
        assert self._end is not None
        ids, done = self._end["ids"], self._done
        if not ids:
            raise EngineFailed(self._asked.core, "a slice without a token")
        self._done = Partial(done.slice + 1, joined(done.tokens, self._fresh, ids), self._end["state"])
        return len(ids)

    def _show(self, tokens: list[Token]) -> list[Token]:
        self._shown += [token.text for token in tokens if not token.special]
        return tokens

    def _finish(self) -> Finish:
        tokens = [*self._done.tokens, *self._fresh]
        reason = "stop_sequence" if self._stops.found else (self._end or {}).get("finish_reason")
        return Finish(
            text="".join(self._shown),
            reason=parse.REASONS[reason or "length"],
            usage=Usage(self._prompt_tokens, len(tokens)),
            token_ids=tuple(token.id for token in tokens),
            resume="kv",
        )

    def _raise_for(self, event: JsonObject) -> None:
        """Raise what an event says that went wrong."""
        if "error" in event:
            raise failure(self._asked.core, event)


def begin_anew(prompt: Prompt, *, core: str) -> None:
    """Let a core that keeps no states answer what begins.

    Raises:
        StateLost: it is to go on from a state.
    """
    if prompt.slicing is not None and prompt.slicing.done is not None:
        raise StateLost(core, "it keeps none")


def failure(core: str, said: JsonObject) -> AiosError:
    """The error that an event, or the body of a refusal, stands for."""
    kind, words = str(said.get("error_type")), str(said.get("error"))
    match kind:
        case "state_lost":
            return StateLost(core, words)
        case "overloaded":
            return EngineOverloaded(core, DEFAULT_RETRY_SECONDS)
        case "validation":
            return EngineRefused(core, kind, words)
        case _:
            return EngineFailed(core, words)


def event_of(line: str) -> JsonObject | None:
    """The event of a line; None: it is none."""
    if not line.startswith("data:"):
        return None
    said: Json = json.loads(line.removeprefix("data:"))
    return said if isinstance(said, dict) else None
