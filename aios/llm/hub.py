"""TGI's official client, whose streams are read here: it makes dataclasses of every token, at ten times the cost of its JSON.

Requests, headers and the errors of refused requests stay the client's own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from huggingface_hub import AsyncInferenceClient, errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from aios.kernel.values import Json, JsonObject

_KINDS: Final = {
    "generation": errors.GenerationError,
    "incomplete_generation": errors.IncompleteGenerationError,
    "overloaded": errors.OverloadedError,
    "validation": errors.ValidationError,
}


class HubClient(AsyncInferenceClient):
    """TGI's official Python client, whose native streams can be had as they come."""

    _lines: Any

    async def stream(self, url: str, text: str, parameters: JsonObject) -> AsyncIterable[str]:
        """Ask the native route; the lines of its answer, for `frame_of`."""
        # What this gives would read the same lines, its own way.
        await self.text_generation(text, model=url, stream=True, details=True, return_full_text=False, **parameters)
        return cast("AsyncIterable[str]", self._lines)

    async def _inner_post(self, request_parameters: Any, *, stream: bool = False) -> Any:
        """Keep the lines that the client is about to wrap."""
        answer = await super()._inner_post(request_parameters, stream=stream)
        if stream:
            self._lines = answer
        return answer


def frame_of(line: str) -> JsonObject | None:
    """The frame of a line of a native stream; None: it has none.

    Raises:
        TextGenerationError: the server says what went wrong.
        ValueError: it is no JSON.
    """
    if not line.startswith("data:"):
        return None
    said: Json = json.loads(line.removeprefix("data:"))
    if said.get("error") is not None:
        raise _KINDS.get(str(said.get("error_type")), errors.UnknownError)(said["error"])
    return said  # type: ignore[no-any-return]  # whoever reads it finds out what is missing
