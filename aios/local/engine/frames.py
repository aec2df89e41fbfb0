"""TGI's wire shapes of tokens and server-sent events, written by hand: this is the engine's hot path."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from aios.local.engine.call import Token
    from aios.local.engine.generation import Generation

_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
DONE = b"data: [DONE]\n\n"


class TokenJson(TypedDict):
    """A token of an answer."""

    id: int
    text: str
    logprob: float | None
    special: bool


def token_json(token: Token) -> TokenJson:
    """A token as a JSON value."""
    return {"id": token.id, "text": token.text, "logprob": token.logprob, "special": token.special}


def event(value: object) -> bytes:
    """A JSON value as one event."""
    return b"data: " + compact(value).encode() + b"\n\n"


def compact(value: object) -> str:
    """JSON without spaces, and without the characters at which clients wrongly end a line (`str.splitlines`)."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() else text.translate(_LINE_ENDS)


@lru_cache(maxsize=16384)
def _token_text(token: Token) -> str:
    return compact(token_json(token))


def native(*, index: int, token: Token, top_n: int, ended: str = "") -> str:
    """One frame of `/generate_stream`; `ended` is what the last frame says in place of two nulls."""
    top = ""
    if top_n:
        tops = ",".join(_token_text(t._replace(top=())) for t in token.top or (token,))
        top = f',"top_tokens":[{tops}]'
    tail = ended or '"generated_text":null,"details":null'
    return f'data: {{"index":{index},"token":{_token_text(token)}{top},{tail}}}\n\n'


def native_end(generation: Generation, *, text: str, details: bool) -> str:
    """What the last frame says of the whole."""
    said = None
    if details:
        said = {
            "finish_reason": generation.finish,
            "generated_tokens": len(generation.tokens),
            "seed": generation.seed,
            "input_length": generation.call.prompt.tokens,
        }
    return f'"generated_text":{compact(text)},"details":{compact(said)}'
