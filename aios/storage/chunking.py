"""Texts cut into chunks that search can find: each a few sentences, rows or fields, under the headings it stood below.

Pure. Whatever the file claims to be, what cannot be parsed as that is cut as plain text; nothing is ever refused.
"""

from __future__ import annotations

import csv
import io
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from markdown_it import MarkdownIt
from selectolax.lexbor import LexborHTMLParser

from aios.kernel.values import clean
from aios.storage.media import CSV, HTML, JSON, MARKDOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from aios.kernel.values import Json

SIZE: Final = 1000
"""Characters of a chunk at most: what an embedder of 256 tokens reads whole."""

MOST_CHUNKS: Final = 2000
_LONGEST_TEXT: Final = 8_000_000
_LONGEST_MARKUP: Final = 1_000_000  # parsing takes a second per million characters; what is longer is cut as plain text
_MOST_OPEN: Final = 20_000  # tags that are never closed: the parser's time grows with the square of the depth
_LONGEST_HEADING: Final = 200
_DEEPEST: Final = 64
_LEVELS: Final = {f"h{n}": n for n in range(1, 7)}
_SILENT: Final = ("script", "style", "template", "noscript", "head")
_BREAK: Final = re.compile(r"\n\s*\n")
_END: Final = re.compile(r"(?<=[.!?。])\s+|\n")


class Chunk(NamedTuple):
    """A part of a file, and the headings above it."""

    heading: str
    content: str

    @property
    def text(self) -> str:
        """What is embedded."""
        return f"{self.heading}\n{self.content}".strip()


class Section(NamedTuple):
    """What stands below one heading, in pieces that belong together."""

    heading: str
    pieces: list[str]


def chunk(data: bytes, *, media_type: str, name: str = "") -> list[Chunk]:
    """The chunks of a file.

    Args:
        data: its content.
        media_type: what it is.
        name: put before every heading: what a file is called says what it is about.
    """
    text = clean(data[: 4 * _LONGEST_TEXT].decode("utf-8", "replace"))[:_LONGEST_TEXT]
    cut = _CUTTERS.get(media_type, _plain) if len(text) <= _LONGEST_MARKUP else _plain
    try:
        sections = list(cut(text))
    except (ValueError, csv.Error, RecursionError):
        sections = list(_plain(text))
    return _chunks(sections, name=name)


def chunk_pages(pages: Iterable[str], *, name: str = "") -> list[Chunk]:
    """The chunks of a document that has pages instead of headings; none goes beyond its page."""
    sections = (Section(f"page {number}", _BREAK.split(text)) for number, text in enumerate(pages, start=1))
    return _chunks(sections, name=name)


def _chunks(sections: Iterable[Section], *, name: str) -> list[Chunk]:
    made: list[Chunk] = []
    for section in sections:
        heading = " > ".join(part for part in (name, section.heading) if part)[:_LONGEST_HEADING]
        made += [Chunk(heading, content) for content in _packed(section.pieces)]
        if len(made) >= MOST_CHUNKS:
            break
    return made[:MOST_CHUNKS]


def _plain(text: str) -> Iterator[Section]:
    yield Section("", _BREAK.split(text))


def _markdown(text: str) -> Iterator[Section]:
    """Sections begin at headings; what looks like one inside a code block is none."""
    lines, path, start = text.splitlines(keepends=True), list[tuple[int, str]](), 0
    tokens = _markdown_parser().parse(text)
    for place, token in enumerate(tokens):
        if token.type != "heading_open" or token.level or token.map is None:
            continue
        yield Section(_above(path), _BREAK.split("".join(lines[start : token.map[0]])))
        level = _LEVELS[token.tag]
        path = [*(one for one in path if one[0] < level), (level, tokens[place + 1].content)]
        start = token.map[1]
    yield Section(_above(path), _BREAK.split("".join(lines[start:])))


@cache
def _markdown_parser() -> MarkdownIt:
    """One that looks for blocks only: what is emphasised within them does not matter here, and would cost most."""
    return MarkdownIt("zero").enable(["heading", "lheading", "fence", "code"]).disable("inline")


def _html(text: str) -> Iterator[Section]:
    """What a reader of the page sees, by its headings."""
    if text.count("<") - 2 * text.count("</") > _MOST_OPEN:
        raise ValueError("too many open tags")
    tree = LexborHTMLParser(text)
    title = tree.css_first("title")
    path: list[tuple[int, str]] = [(0, title.text(strip=True))] if title is not None else []
    tree.strip_tags(list(_SILENT))
    pieces: list[str] = []
    for node in tree.body.traverse(include_text=True) if tree.body is not None else ():
        level = _LEVELS.get(node.tag or "")
        if level is not None:
            yield Section(_above(path), pieces)
            path, pieces = [*(one for one in path if one[0] < level), (level, node.text(strip=True))], []
        elif node.tag == "-text" and not _in_heading(node):
            pieces.append(node.text(deep=False).strip())
    yield Section(_above(path), pieces)


def _in_heading(node: Json) -> bool:
    parent = node.parent
    for _ in range(_DEEPEST):
        if parent is None:
            return False
        if parent.tag in _LEVELS:
            return True
        parent = parent.parent
    return False


def _csv(text: str) -> Iterator[Section]:
    """Each row with the names of its columns: alone it would say nothing."""
    try:
        dialect: type[csv.Dialect] = csv.Sniffer().sniff(text[:4096], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    rows = csv.reader(io.StringIO(text), dialect)
    names = next(rows, [])
    told = ("; ".join(f"{name}: {cell}" for name, cell in zip(names, row, strict=False) if cell) for row in rows)
    yield Section(", ".join(names), list(told))


def _json(text: str) -> Iterator[Section]:
    """Each value with the path to it."""
    yield Section("", [f"{path}: {value}" for path, value in _leaves(json.loads(text))])


def _leaves(value: Json) -> Iterator[tuple[str, str]]:
    left: list[tuple[str, Json]] = [("", value)]
    while left:
        path, one = left.pop()
        if isinstance(one, dict):
            left += [(f"{path}.{key}".lstrip("."), inner) for key, inner in reversed(one.items())]
        elif isinstance(one, list):
            left += [(f"{path}[{n}]", inner) for n, inner in reversed(list(enumerate(one)))]
        else:
            yield path, str(one)


def _above(path: Iterable[tuple[int, str]]) -> str:
    return " > ".join(heading for _, heading in path if heading)


def _packed(pieces: Iterable[str]) -> Iterator[str]:
    """Pieces joined up to the size of a chunk; a longer one is cut at the end of a sentence, a word, or where it must."""
    held = ""
    for piece in pieces:
        for part in _parts(piece.strip()):
            if held and len(held) + len(part) + 1 > SIZE:
                yield held
                held = ""
            held = f"{held}\n{part}" if held else part
    if held:
        yield held


def _parts(piece: str) -> Iterator[str]:
    while len(piece) > SIZE:
        at = _cut(piece)
        yield piece[:at].strip()
        piece = piece[at:].strip()
    if piece:
        yield piece


def _cut(piece: str) -> int:
    ends = [match.end() for match in _END.finditer(piece, SIZE // 2, SIZE)]
    if ends:
        return ends[-1]
    space = piece.rfind(" ", SIZE // 2, SIZE)
    return space if space > 0 else SIZE


_CUTTERS: Final[Mapping[str, Callable[[str], Iterator[Section]]]] = {
    MARKDOWN: _markdown,
    HTML: _html,
    CSV: _csv,
    JSON: _json,
}
