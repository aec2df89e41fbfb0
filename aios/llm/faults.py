"""What goes wrong at a core, as the project's own errors: one table, one context manager.

`huggingface_hub` and `httpx2` raise some forty classes; a caller of a driver sees five. A test walks both libraries and
fails on a class that is neither in the table nor known to be out of reach.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import httpx2
from huggingface_hub import errors as hub

from aios.errors import (
    AiosError,
    EngineFailed,
    EngineOverloaded,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
    Misconfigured,
)
from aios.kernel.values import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEFAULT_RETRY_SECONDS: Final = 1.0  # TGI never says when to come back
_LONGEST_RETRY_SECONDS: Final = 300.0
_LONGEST_TEXT: Final = 500
_REFUSALS: Final = ("input validation error", "tool error", "template error", "template rendering error")


@contextmanager
def translated(core: str, *, seconds: float) -> Iterator[None]:
    """Turn what the client libraries raise inside into errors that name `core`; `seconds` is the limit of a timeout."""
    try:
        yield
    except KNOWN as error:
        raise translate(error, core=core, seconds=seconds) from error


def translate(error: BaseException, *, core: str, seconds: float) -> AiosError:
    """The project's error for a foreign one of a class in `TABLE`."""
    for kind, make in TABLE:
        if isinstance(error, kind):
            return make(core, error, seconds)
    raise LookupError(f"no entry for {type(error).__name__}")


def _overloaded(core: str, error: BaseException, _seconds: float) -> AiosError:
    return EngineOverloaded(core, _retry_seconds(_response(error)))


def _invalid(core: str, error: BaseException, _seconds: float) -> AiosError:
    return EngineRefused(core, "validation", text_of(error))


def _broken(core: str, error: BaseException, _seconds: float) -> AiosError:
    return EngineFailed(core, text_of(error))


def _unreachable(core: str, error: BaseException, _seconds: float) -> AiosError:
    return EngineUnreachable(core, text_of(error))


def _nonsense(core: str, error: BaseException, _seconds: float) -> AiosError:
    return EngineFailed(core, f"it sent what is no answer of a TGI server ({text_of(error)})")


def _silent(core: str, error: BaseException, seconds: float) -> AiosError:
    cause = error.__cause__ if isinstance(error, hub.InferenceTimeoutError) else error
    if isinstance(cause, httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return EngineUnreachable(core, "it does not accept connections")
    return EngineTimeout(core, seconds)


def _bad_url(core: str, error: BaseException, _seconds: float) -> AiosError:
    return Misconfigured(
        f"the engine's URL cannot be used ({core}: {text_of(error)})", "set AIOS_ENGINE_URL to http://host:port"
    )


def by_status(core: str, error: BaseException, _seconds: float) -> AiosError:
    """An HTTP error whose body said nothing that the client library understood."""
    response = _response(error)
    if response is None:
        return EngineFailed(core, text_of(error))
    status, (kind, text) = response.status_code, _said(response)
    if status == httpx2.codes.TOO_MANY_REQUESTS:
        return EngineOverloaded(core, _retry_seconds(response))
    if status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
        return Misconfigured(f"engine {core!r} refuses the API key (HTTP {status})", "set AIOS_LLM__API_KEY")
    if status in (httpx2.codes.NOT_FOUND, httpx2.codes.METHOD_NOT_ALLOWED) or 300 <= status < 400:  # noqa: PLR2004
        return Misconfigured(
            f"engine {core!r} has no {response.url.path!r} (HTTP {status})", "set AIOS_ENGINE_URL to a TGI server"
        )
    refused = status in (400, 409, 411, 413, 414, 415, 422)
    return (
        EngineRefused(core, kind or f"HTTP {status}", text) if refused else EngineFailed(core, f"HTTP {status}: {text}")
    )


def by_text(core: str, error: BaseException, seconds: float) -> AiosError:
    """An error of a type the client library does not know; in a stream of `/v1` every error has this form."""
    if _response(error) is not None:
        return by_status(core, error, seconds)
    text = text_of(error)
    if "overloaded" in text.lower():
        return EngineOverloaded(core, DEFAULT_RETRY_SECONDS)
    if text.lower().startswith(_REFUSALS):
        return EngineRefused(core, "validation", text)
    return EngineFailed(core, text)


def _response(error: BaseException | None) -> httpx2.Response | None:
    """The HTTP response behind an error, or behind what it was raised from."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, httpx2.Response):
            return response
        error = error.__cause__
    return None


def _said(response: httpx2.Response) -> tuple[str, str]:
    """The error's type and text, read from the body."""
    try:
        body = response.json()
    except httpx2.ResponseNotRead:
        return "", ""
    except ValueError:
        return "", _short(response.text)
    if not isinstance(body, dict):
        return "", _short(response.text)
    inner = body.get("error")
    text = inner.get("message") if isinstance(inner, dict) else inner
    return str(body.get("error_type") or ""), _short(str(text if text is not None else response.text))


def _retry_seconds(response: httpx2.Response | None) -> float:
    try:
        seconds = float(response.headers["retry-after"]) if response is not None else DEFAULT_RETRY_SECONDS
    except (KeyError, ValueError):  # none, or a date: the clocks of two machines need not agree
        return DEFAULT_RETRY_SECONDS
    return min(max(seconds, 0.0), _LONGEST_RETRY_SECONDS) if math.isfinite(seconds) else DEFAULT_RETRY_SECONDS


def text_of(error: BaseException) -> str:
    """What an error says, cut short."""
    said = error.args[0] if error.args else ""
    if isinstance(said, dict):  # `/v1` in a stream: {"message", "http_status_code"}
        said = said.get("message", said)
    return _short(str(said) or type(error).__name__)


def _short(text: str) -> str:
    return clean(text.strip())[:_LONGEST_TEXT]


TABLE: Final[tuple[tuple[type[BaseException], Callable[[str, BaseException, float], AiosError]], ...]] = (
    (hub.OverloadedError, _overloaded),
    (hub.ValidationError, _invalid),
    (hub.GenerationError, _broken),
    (hub.IncompleteGenerationError, _broken),
    (hub.TextGenerationError, by_text),
    (hub.InferenceTimeoutError, _silent),
    (hub.HfHubHTTPError, by_status),
    (hub.OfflineModeIsEnabled, _bad_url),
    (httpx2.HTTPStatusError, by_status),
    (httpx2.TimeoutException, _silent),
    (httpx2.ConnectError, _unreachable),
    (httpx2.UnsupportedProtocol, _bad_url),
    (httpx2.HTTPError, _broken),
    (httpx2.InvalidURL, _bad_url),
    (httpx2.CookieConflict, _broken),
    (httpx2.StreamError, _broken),
    # A frame that is no JSON, or JSON of another shape.
    (ValueError, _nonsense),
    (LookupError, _nonsense),
    (TypeError, _nonsense),
    (AttributeError, _nonsense),
)
"""Foreign class -> what makes the project's error of it; the first entry that fits counts."""

KNOWN: Final = tuple(kind for kind, _ in TABLE)
