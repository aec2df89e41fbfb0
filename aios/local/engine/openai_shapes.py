"""The objects of the `/v1` routes, as TGI fills them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aios.local.engine import frames
from aios.local.engine.description import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aios.local.engine.call import Token
    from aios.local.engine.generation import Generation
    from aios.local.engine.refusal import Refusal
    from aios.local.engine.tools import Spoken

Json = dict[str, object]


def head(kind: str, *, model: str) -> Json:
    """What every object begins with; TGI leaves `id` empty."""
    return {
        "object": kind,
        "id": "",
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": f"{VERSION}-native",
    }


def finish(generation: Generation) -> str | None:
    """The finish reason: OpenAI's word for the end of the text, TGI's own for the rest."""
    return "stop" if generation.finish == "eos_token" else generation.finish


def usage(generations: Iterable[Generation]) -> Json:
    """Tokens of prompts and answers."""
    listed = list(generations)
    prompts = sum(g.call.prompt.tokens for g in listed)
    answers = sum(len(g.tokens) for g in listed)
    return {"prompt_tokens": prompts, "completion_tokens": answers, "total_tokens": prompts + answers}


def tool_call(call: Spoken) -> Json:
    """A tool call of a whole answer; its arguments are JSON text."""
    function = {"description": None, "name": call.name, "arguments": call.arguments}
    return {"id": "0", "type": "function", "function": function}


def logprobs(tokens: Iterable[Token]) -> Json:
    """Log probabilities per token."""
    content = [
        {
            "token": token.text,
            "logprob": token.logprob,
            "top_logprobs": [{"token": t.text, "logprob": t.logprob} for t in token.top],
        }
        for token in tokens
    ]
    return {"content": content}


def stream_error(refusal: Refusal) -> bytes:
    """An error in a `/v1` stream; TGI says 422 whatever it is."""
    return frames.event({"error": {"message": refusal.text, "http_status_code": 422}})
