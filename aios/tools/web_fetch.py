"""`web.fetch`: a web page as a text that a model can read, under the same rules as `http_get`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field
from selectolax.lexbor import LexborHTMLParser

from aios.kernel.words import Effect
from aios.tools.tool import Tool, tool

if TYPE_CHECKING:
    from aios.kernel.values import JsonObject
    from aios.tools.http_get import Fetcher

NAME: Final = "web.fetch"
_HTML: Final = ("text/html", "application/xhtml")
_UNREAD: Final = ("script", "style", "noscript", "template", "svg", "iframe", "nav", "footer", "form", "aside")
_LONGEST_TITLE: Final = 300
_LONGEST_READ: Final = 250_000
_DEEPEST: Final = 1_000
_MOST_OPTIONS: Final = 5_000
# One pass, without backtracking: each attempt ends at the next bracket.
_TAG: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^<>]*>")
_VOID: Final = ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track")
_UNCLOSED: Final = ("wbr", "p", "li", "td", "th", "tr", "dt", "dd", "option")
_ENDLESS: Final = frozenset(_VOID + _UNCLOSED)
Characters = Annotated[int, Field(ge=100, le=100_000)]


def web_fetch_tool(fetcher: Fetcher) -> Tool:
    """The tool that fetches by these rules."""
    own = replace(fetcher, tool=NAME)

    def web_fetch(url: str, characters: Characters = 8_000) -> JsonObject:
        """Read a web page: its title and its text, without markup.

        Args:
            url: the address, with http:// or https://.
            characters: longest text.

        Examples:
            What does https://example.org/news say? -> {"url": "https://example.org/news"}
        """
        answer = own.fetch(url)
        page = read(answer["text"]) if answer["content_type"].startswith(_HTML) else ("", answer["text"])
        title, text = page
        return {
            "url": answer["url"],
            "status": answer["status"],
            "title": title,
            "text": text[:characters],
            "truncated": answer["truncated"] or len(text) > characters or len(answer["text"]) > _LONGEST_READ,
        }

    return tool(name=NAME, effect=Effect.NONE, timeout_seconds=fetcher.seconds + 5)(web_fetch)


def read(html: str) -> tuple[str, str]:
    """The title and the text of a page, a line per block, without what is not for reading."""
    tree = LexborHTMLParser(_bearable(html[:_LONGEST_READ]))
    title = tree.css_first("title")
    named = " ".join(title.text().split())[:_LONGEST_TITLE] if title else ""
    for tag in _UNREAD:
        for node in tree.css(tag):
            node.decompose()
    body = tree.css_first("main") or tree.css_first("article") or tree.body
    text = body.text(separator="\n") if body else ""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return named, "\n".join(line for line in lines if line)


def _bearable(html: str) -> str:
    """The page as far as it can be parsed in bearable time: depth and options cost the parser their square."""
    depth = options = 0
    for tag in _TAG.finditer(html):
        name = tag[2].lower()
        options += name == "option"
        if name not in _ENDLESS:
            depth = max(0, depth - 1) if tag[1] else depth + 1
        if depth > _DEEPEST or options > _MOST_OPTIONS:
            return html[: tag.start()]
    return html
