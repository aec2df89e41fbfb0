"""`web.search`: a search engine of the operator's choice. Without one the tool is off and says what to set."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeAlias
from urllib.parse import urlencode, urlsplit

from pydantic import Field

from aios.errors import ToolFailed, ToolOff
from aios.kernel.values import clean
from aios.kernel.words import Effect
from aios.tools.tool import Tool, tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from aios.kernel.values import Json, JsonObject
    from aios.settings import SearchSettings
    from aios.tools.http_get import Fetcher

NAME: Final = "web.search"
ENTRY_POINTS: Final = "aios.search"
_SHOWN: Final = 400
Query = Annotated[str, Field(min_length=1, max_length=400)]
Count = Annotated[int, Field(ge=1, le=20)]


class Hit(NamedTuple):
    """One result."""

    title: str
    url: str
    text: str


class Asking(NamedTuple):
    """How a provider is asked: an address, and headers with its key."""

    url: str
    headers: dict[str, str]


class Provider(NamedTuple):
    """A search engine: how it is asked, and how its JSON is read.

    Attributes:
        url: its usual address; empty: the settings must say.
        ask: address, query, number of results and key become a request.
        read: its answer becomes hits.
        needs_key: whether it answers nobody without one.
    """

    url: str
    ask: Callable[[str, str, int, str], Asking]
    read: Callable[[Any], list[Hit]]
    needs_key: bool = True


Providers: TypeAlias = dict[str, Provider]

PROVIDERS: Final[Providers] = {
    "brave": Provider(
        "https://api.search.brave.com/res/v1/web/search",
        lambda url, query, k, key: Asking(
            f"{url}?{urlencode({'q': query, 'count': k})}", {"X-Subscription-Token": key}
        ),
        lambda told: [Hit(hit["title"], hit["url"], hit.get("description", "")) for hit in told["web"]["results"]],
    ),
    "searxng": Provider(
        "",
        lambda url, query, k, key: Asking(  # noqa: ARG005  # it has no limit and asks for no key
            f"{url.rstrip('/')}/search?{urlencode({'q': query, 'format': 'json'})}", {}
        ),
        lambda told: [Hit(hit["title"], hit["url"], hit.get("content", "")) for hit in told["results"]],
        needs_key=False,
    ),
}


def web_search_tool(fetcher: Fetcher, settings: SearchSettings) -> Tool:
    """The tool that asks the configured provider; its host need not be on the operator's list."""

    def web_search(query: Query, k: Count = 5) -> Json:
        """Search the web; gives titles, addresses and short texts, best first.

        Args:
            query: words to look for.
            k: number of results.

        Examples:
            Find pages about solar eclipses. -> {"query": "solar eclipse"}
        """
        provider, url, key = _configured(settings)
        asked = provider.ask(url, query, k, key)
        allowed = replace(fetcher, tool=NAME, headers=asked.headers, allow=(urlsplit(url).netloc,))
        return [hit._asdict() for hit in _hits(allowed.fetch(asked.url), provider)[:k]]

    made = tool(name=NAME, effect=Effect.NONE, timeout_seconds=fetcher.seconds + 5)(web_search)
    return replace(made, why_off=lambda: _why_off(settings))


def _configured(settings: SearchSettings) -> tuple[Provider, str, str]:
    why = _why_off(settings)
    if why:
        raise ToolOff(NAME, why)
    provider = _providers()[settings.provider]
    return provider, settings.url or provider.url, _key(settings)


def _why_off(settings: SearchSettings) -> str:
    known = _providers()
    names = ", ".join(sorted(known))
    if not settings.provider:
        return f"no provider is configured: set tools.search.provider to one of {names}, and its key"
    if settings.provider not in known:
        return f"{settings.provider!r} is no search provider: set tools.search.provider to one of {names}"
    provider = known[settings.provider]
    if not (settings.url or provider.url):
        return f"{settings.provider} needs an address: set tools.search.url"
    if provider.needs_key and not _key(settings):
        named = f"the variable {settings.key_env} is empty" if settings.key_env else "set tools.search.key_env"
        return f"{settings.provider} needs a key: {named}"
    return ""


def _key(settings: SearchSettings) -> str:
    return os.environ.get(settings.key_env, "") if settings.key_env else ""  # noqa: TID251  # no file holds the secret


def _providers() -> Providers:
    return PROVIDERS | {point.name: point.load() for point in entry_points(group=ENTRY_POINTS)}


def _hits(answer: JsonObject, provider: Provider) -> list[Hit]:
    if answer["status"] != 200:  # noqa: PLR2004  # HTTP
        raise ToolFailed(NAME, f"HTTP {answer['status']}", answer["text"][:_SHOWN])
    try:
        hits = provider.read(json.loads(answer["text"]))
        return [Hit(*(clean(str(part)) for part in hit)) for hit in hits]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolFailed(NAME, "BadAnswer", f"it is not what the provider documents ({error!r})") from error
