"""How a call ends other than by its last token: errors on the wire, and the connection cut on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# The status that TGI gives each error type outside of a stream.
STATUS = {
    "overloaded": 429,
    "validation": 422,
    "tool_error": 422,
    "template_error": 422,
    "generation": 424,
    "incomplete_generation": 500,
    "incomplete_generation_stream": 500,
    "healthcheck": 503,
}


class Refusal(Exception):
    """An error that the client gets as TGI's `{"error", "error_type"}`.

    `at_http` forces a real HTTP status even on a stream, as a proxy in front of an engine would do; TGI itself answers
    a stream with status 200 and one error frame.
    """

    def __init__(
        self,
        kind: str,
        text: str,
        *,
        status: int | None = None,
        at_http: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.status = status or STATUS.get(kind, 500)
        self.at_http = at_http
        self.headers = dict(headers or {})

    def body(self) -> dict[str, str]:
        """The JSON body of the native routes."""
        return {"error": self.text, "error_type": self.kind}


class Cut(Exception):
    """The connection is to be dropped where it stands, as when an engine dies in the middle of an answer."""


def overloaded() -> Refusal:
    """The refusal at the admission limit."""
    return Refusal("overloaded", "Model is overloaded")


def invalid(text: str) -> Refusal:
    """The refusal of a request that is out of bounds."""
    return Refusal("validation", f"Input validation error: {text}")


def failed(text: str) -> Refusal:
    """The refusal after a backend failed."""
    return Refusal("generation", f"Request failed during generation: {text}")


def severed() -> Refusal:
    """What the log says of a connection that was cut on purpose; no client is told."""
    return Refusal("cut", "The connection was cut")
