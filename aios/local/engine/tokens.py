"""`/tokenize` and `/chat_tokenize`: what a text, or a conversation, costs in tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from aios.local.engine import answer
from aios.local.engine.chat_prompt import prepare
from aios.local.engine.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from aios.local.engine.bodies import ChatBody, TokenizeBody
    from aios.local.engine.call import Piece
    from aios.local.engine.engine import Engine


async def tokenize(engine: Engine, request: Request, body: TokenizeBody) -> Response:
    """`POST /tokenize`."""
    del request
    return JSONResponse(_listed(await engine.backend.tokenize(body.inputs, add_special=body.add_special_tokens)))


async def chat_tokenize(engine: Engine, request: Request, body: ChatBody) -> Response:
    """`POST /chat_tokenize`: the prompt of a conversation, and its tokens."""
    del request
    try:
        prepared = await prepare(body, backend=engine.backend)
    except Refusal as refusal:
        return answer.refused(refusal)
    pieces = await engine.backend.tokenize(prepared.prompt, add_special=False)
    return JSONResponse({"tokenize_response": _listed(pieces), "templated_text": prepared.prompt})


def _listed(pieces: Sequence[Piece]) -> list[dict[str, object]]:
    return [piece._asdict() for piece in pieces]
