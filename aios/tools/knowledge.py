"""`wikipedia` and `arxiv`: what their public interfaces tell, as short texts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlencode, urlsplit
from xml.etree.ElementTree import Element, ParseError, fromstring  # see `_entries`

from pydantic import Field

from aios.errors import ToolFailed, ToolOff
from aios.kernel.words import Effect
from aios.tools.tool import Tool, tool

if TYPE_CHECKING:
    from aios.kernel.values import Json, JsonObject
    from aios.tools.http_get import Fetcher

_ATOM: Final = "{http://www.w3.org/2005/Atom}"
_SHOWN: Final = 300
Query = Annotated[str, Field(min_length=1, max_length=300)]
Count = Annotated[int, Field(ge=1, le=10)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


def wikipedia_tool(fetcher: Fetcher, url: str) -> Tool:
    """The tool that asks Wikipedia at this address; `{language}` in it is filled in."""

    def wikipedia(query: Query, k: Count = 3, language: Language = "en") -> Json:
        """Look something up in Wikipedia: title, address and first paragraphs of the best articles.

        Args:
            query: what to look for.
            k: number of articles.
            language: of the Wikipedia, such as "en" or "de".

        Examples:
            Who was Ada Lovelace? -> {"query": "Ada Lovelace", "k": 1}
        """
        asked = {
            "action": "query",
            "format": "json",
            "generator": "search",
            "gsrsearch": query,
            "gsrlimit": k,
            "prop": "extracts|info",
            "exintro": 1,
            "explaintext": 1,
            "exlimit": k,
            "inprop": "url",
        }
        answer = _asked(fetcher, "wikipedia", url.replace("{language}", language), asked)
        return _articles(answer)

    return _made(wikipedia, "wikipedia", fetcher, url)


def arxiv_tool(fetcher: Fetcher, url: str) -> Tool:
    """The tool that asks arXiv at this address."""

    def arxiv(query: Query, k: Count = 3) -> Json:
        """Find papers on arXiv: title, authors, date, address and abstract.

        Args:
            query: words, or arXiv's own form such as "au:Turing AND ti:machines".
            k: number of papers.

        Examples:
            Find a paper about attention in neural networks. -> {"query": "attention neural networks", "k": 1}
        """
        words = query if ":" in query else f"all:{query}"
        return _papers(_asked(fetcher, "arxiv", url, {"search_query": words, "max_results": k}))

    return _made(arxiv, "arxiv", fetcher, url)


def _made(function: object, name: str, fetcher: Fetcher, url: str) -> Tool:
    assert callable(function)
    made = tool(name=name, effect=Effect.NONE, timeout_seconds=fetcher.seconds + 5)(function)
    return replace(made, why_off=lambda: "" if url else f"tools.{name}_url is empty")


def _asked(fetcher: Fetcher, name: str, url: str, asked: JsonObject) -> str:
    """The body of the answer; the service's own host need not be on the operator's list."""
    if not url:
        raise ToolOff(name, f"tools.{name}_url is empty")
    allowed = replace(fetcher, tool=name, allow=(urlsplit(url).netloc,))
    answer = allowed.fetch(f"{url}?{urlencode(asked)}")
    if answer["status"] != 200:  # noqa: PLR2004  # HTTP
        raise ToolFailed(name, f"HTTP {answer['status']}", answer["text"][:_SHOWN])
    return str(answer["text"])


def _articles(text: str) -> list[JsonObject]:
    try:
        pages = json.loads(text).get("query", {}).get("pages", {}).values()
        ranked = sorted(pages, key=lambda page: page["index"])
        return [
            {"title": page["title"], "url": page["fullurl"], "text": page.get("extract", "").strip()} for page in ranked
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolFailed("wikipedia", "BadAnswer", f"it is not what Wikipedia documents ({error!r})") from error


def _papers(text: str) -> list[JsonObject]:
    return [
        {
            "title": _text(entry, "title"),
            "authors": [_text(author, "name") for author in entry.findall(f"{_ATOM}author")],
            "published": _text(entry, "published")[:10],
            "url": _text(entry, "id"),
            "text": _text(entry, "summary"),
        }
        for entry in _entries(text)
    ]


def _entries(text: str) -> list[Element]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # entities that unfold need a definition; arXiv sends none
        raise ToolFailed("arxiv", "BadAnswer", "it defines entities")
    try:
        return fromstring(text).findall(f"{_ATOM}entry")  # noqa: S314  # bounded in size, without definitions
    except ParseError as error:
        raise ToolFailed("arxiv", "BadAnswer", f"it is no Atom feed ({error})") from error


def _text(element: Element, name: str) -> str:
    return " ".join((element.findtext(f"{_ATOM}{name}") or "").split())
