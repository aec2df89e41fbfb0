"""The hidden state of the simulated model: a chain of digests, one link per token, that a file can hold.

The next token is a function of the seed and the state, so a state that is not exactly the right one shows at once. Tokens
whose state was lost are evaluated again; then one state in two comes out a little different, for good: what a real model
does when prefill rounds otherwise than decoding did.
"""

from __future__ import annotations

import json
import time
from hashlib import blake2b
from itertools import product
from typing import TYPE_CHECKING

from aios.local.engine import packed
from aios.local.engine.call import Token
from aios.local.engine.states import Saved, lost

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aios.local.engine.call import Call, Part
    from aios.local.engine.states import StateRef, States

VOCABULARY = tuple(
    Token(packed.encode(word), word, -0.5) for word in (" " + a + b for a, b in product("bdfgklmn", "aeiouyhw"))
)
END = Token(packed.EOS_ID, packed.EOS_TEXT, 0.0, special=True)


class Chain:
    """Makes the tokens of slices."""

    def __init__(self, states: States | None, *, seed: int, answer_tokens: int) -> None:
        """`answer_tokens` is where an answer ends by itself; 0: never."""
        self._states = states
        self._seed = seed
        self._answer_tokens = answer_tokens
        self._held: dict[str, tuple[bytes, list[int]]] = {}

    def tokens(self, call: Call, part: Part) -> Iterator[Token]:
        """The tokens of one slice; its state is saved after the last.

        Raises:
            Refusal: the state to go on from is lost.
        """
        state = self._begin(call, part)
        seed = self._seed if call.sampling.greedy else call.sampling.seed
        ids = list(part.generated)
        for _ in range(call.max_new_tokens):
            if self._answer_tokens and len(ids) >= self._answer_tokens:
                yield END
                return
            token = VOCABULARY[_link(state, str(seed))[0] % len(VOCABULARY)]
            state = _link(state, token.id)
            ids.append(token.id)
            yield token
        if part.keep:
            part.saved = self._save(state, ids)

    def _begin(self, call: Call, part: Part) -> bytes:
        if part.state is not None:
            began = time.perf_counter()
            state = self._load(part.state, part.generated)
            part.restored, part.restore_seconds = True, time.perf_counter() - began
            return state
        state = blake2b(call.prompt.text.encode(), digest_size=16).digest()
        for token_id in part.generated:
            state = _link(state, token_id)
        again = bool(part.generated) and state[0] % 2 == 1
        return _link(state, "rounded") if again else state

    def _load(self, ref: StateRef, generated: Sequence[int]) -> bytes:
        if ref.id in self._held:
            state, ids = self._held.pop(ref.id)
        else:
            assert self._states is not None
            said = json.loads(self._states.check(ref).read_text())
            state, ids = bytes.fromhex(said["state"]), said["ids"]
        if ids != list(generated):
            raise lost(f"state {ref.id} is of other tokens")
        return state

    def _save(self, state: bytes, ids: list[int]) -> Saved:
        assert self._states is not None
        name = self._states.name()
        data = json.dumps({"state": state.hex(), "ids": ids}).encode()
        try:
            return self._states.write(name, data, tokens=len(ids))
        except OSError:
            self._held[name] = (state, ids)
            return Saved(name, tokens=len(ids))


def _link(state: bytes, thing: object) -> bytes:
    return blake2b(f"{thing}".encode(), key=state, digest_size=16).digest()
