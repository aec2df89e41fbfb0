"""Agentic notes: what a model is asked about a note, and what of its answers can be used. Pure.

A note is stored first, as it is. Then a model tells its keywords, context, tags and category; its nearest neighbours are
found; the model tells which of them it belongs with, and what it teaches about them. Each step is a syscall of one plan. An
answer that cannot be used changes nothing but the note's `analysis`, which says why.

Source: W. Xu et al., "A-MEM: Agentic Memory for LLM Agents", arXiv 2502.12110, 2025.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aios.kernel.words import Pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aios.kernel.values import Json, JsonObject

EXCERPT: Final = 2_000  # characters of a note that a model is shown; a neighbour's share is less
_NEIGHBOUR_EXCERPT: Final = 300
_MOST_ITEMS: Final = 12
_LONGEST_ITEM: Final = 60
_LONGEST_CONTEXT: Final = 500
_ANSWER_TOKENS: Final = 256
_LONGEST_REASON: Final = 300

ASIDE_TOKENS: Final = EXCERPT // 3 + _ANSWER_TOKENS  # about as many as one question and its answer take

_WORDS: Final = {"type": "array", "items": {"type": "string", "maxLength": _LONGEST_ITEM}, "maxItems": 8}
_SENTENCE: Final = {"type": "string", "maxLength": 300}

ANALYSIS_SCHEMA: Final[JsonObject] = {
    "type": "object",
    "properties": {"keywords": _WORDS, "context": _SENTENCE, "tags": _WORDS, "category": {"type": "string"}},
    "required": ["keywords", "context", "tags", "category"],
    "additionalProperties": False,
}
EVOLUTION_SCHEMA: Final[JsonObject] = {
    "type": "object",
    "properties": {
        "links": {"type": "array", "items": {"type": "integer"}, "maxItems": 20},
        "updates": {
            "type": "array",
            "maxItems": 5,
            "items": {
                "type": "object",
                "properties": {"neighbour": {"type": "integer"}, "context": _SENTENCE, "tags": _WORDS},
                "required": ["neighbour", "context", "tags"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["links", "updates"],
    "additionalProperties": False,
}

_ANALYSE: Final = (
    "You keep notes. Describe the note as JSON: its keywords (names, things and deeds, the most telling first), one sentence"
    " of context (what it is about, and for what it matters), a few broad tags, and one category."
)
# Small models copy the instruction's words unless they are shown what is meant.
_EXAMPLE_ANSWER: Final = {
    "keywords": ["dentist", "Anna", "appointment", "March 9"],
    "context": "When Anna has to be at the dentist.",
    "tags": ["health", "appointments"],
    "category": "calendar",
}
_EXAMPLE: Final = ("Note: The dentist moved Anna's appointment to March 9 at ten.", json.dumps(_EXAMPLE_ANSWER))
_EVOLVE: Final = (
    "You keep notes. A new note was written; its nearest neighbours are numbered. `links`: the numbers of those that it"
    " truly belongs with. `updates`: only for neighbours that the new note teaches something about, their better context and"
    " their tags. Leave both empty if nothing fits. Answer as JSON."
)


class Step(NamedTuple):
    """One syscall of a plan, before it is one."""

    pool: Pool
    op: str
    payload: JsonObject


@dataclass(frozen=True)
class Analysis:
    """What a model says of a note."""

    keywords: tuple[str, ...]
    context: str
    tags: tuple[str, ...]
    category: str


@dataclass(frozen=True)
class Change:
    """What a model says of a neighbour, by its place among them, from 0."""

    neighbour: int
    context: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Evolution:
    """Which neighbours a note belongs with, by their places, and what changes about them."""

    links: tuple[int, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Unusable:
    """Why an answer cannot be used."""

    reason: str


def refinement(note: int, *, namespace: str = "", model: str = "") -> list[Step]:
    """The steps that follow a note stored by the syscall at position `note` of the same request."""
    place = {"namespace": namespace} if namespace else {}
    analysed = {"note": note, "reply": note + 1, **place}
    evolved = {"note": note, "seen": note + 2, "reply": note + 3, **place}
    return [
        Step(Pool.LLM, "chat", _asking("analyse", note, ANALYSIS_SCHEMA, model)),
        Step(Pool.MEMORY, "analyse", analysed),
        Step(Pool.LLM, "chat", _asking("evolve", note + 2, EVOLUTION_SCHEMA, model)),
        Step(Pool.MEMORY, "evolve", evolved),
    ]


def conversation(aside: JsonObject, earlier: Sequence[Json]) -> list[JsonObject]:
    """What the model is asked, from the results of earlier syscalls; empty when there is nothing to ask."""
    result = earlier[aside["of"]]
    if aside["kind"] == "analyse":
        return _turns(_ANALYSE, *_EXAMPLE, f"Note: {result['content']}") if result.get("id") else []
    if not result.get("neighbours"):
        return []
    shown = "\n".join(f"{place}. {_described(note)}" for place, note in enumerate(result["neighbours"], start=1))
    return _turns(_EVOLVE, f"New note: {_described(result['note'])}\n\nNeighbours:\n{shown}")


def read_analysis(reply: JsonObject) -> Analysis | Unusable:
    """What can be used of a model's answer about a note."""
    said = _read(_Analysed, reply)
    if isinstance(said, Unusable):
        return said
    keywords, context = _items(said.keywords), said.context.strip()[:_LONGEST_CONTEXT]
    if not keywords and not context:
        return Unusable("the model's answer says neither keywords nor a context")
    return Analysis(keywords, context, _items(said.tags), said.category.strip()[:_LONGEST_ITEM])


def read_evolution(reply: JsonObject, *, neighbours: int) -> Evolution | Unusable:
    """What can be used of a model's answer about a note's neighbours; numbers that none of them has are left out."""
    said = _read(_Evolved, reply)
    if isinstance(said, Unusable):
        return said
    places = range(1, neighbours + 1)
    links = tuple(dict.fromkeys(number - 1 for number in said.links if number in places))
    changes = {
        update.neighbour - 1: Change(
            update.neighbour - 1, update.context.strip()[:_LONGEST_CONTEXT], _items(update.tags)
        )
        for update in said.updates
        if update.neighbour in places and (update.context.strip() or _items(update.tags))
    }
    return Evolution(links, tuple(changes[place] for place in sorted(changes)))


class _Said(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class _Analysed(_Said):
    keywords: list[str]
    context: str
    tags: list[str] = Field(default_factory=list)
    category: str = ""


class _Updated(_Said):
    neighbour: int
    context: str = ""
    tags: list[str] = Field(default_factory=list)


class _Evolved(_Said):
    links: list[int]
    updates: list[_Updated] = Field(default_factory=list)


S = TypeVar("S", bound=_Said)


def _read(kind: type[S], reply: JsonObject) -> S | Unusable:
    if "refused" in reply:
        return Unusable(_short(f"the model was not asked: {reply['refused']}"))
    if reply.get("finish_reason") == "length":
        return Unusable("the model's answer was cut off before its end")
    text = (reply.get("message") or {}).get("content") or ""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        return Unusable(_short(f"the model's answer cannot be used: {where}: {first['msg']}"))


def _asking(kind: str, of: int, schema: JsonObject, model: str) -> JsonObject:
    payload: JsonObject = {
        "aside": {"kind": kind, "of": of},
        "schema": json.dumps(schema),
        "sampling": {"max_tokens": _ANSWER_TOKENS, "temperature": 0.0},
    }
    return {**payload, "model": model} if model else payload


def _turns(system: str, *said: str) -> list[JsonObject]:
    """A conversation in which user and assistant take turns."""
    turns = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(said)]
    return [{"role": "system", "content": system}, *turns]


def _described(note: JsonObject) -> str:
    text = f"{note['content'][:_NEIGHBOUR_EXCERPT]}"
    context = f" (context: {note['context']})" if note.get("context") else ""
    tags = f" [{', '.join(note['tags'])}]" if note.get("tags") else ""
    return f"{text}{context}{tags}"


def _items(words: Iterable[str]) -> tuple[str, ...]:
    """Words without doubles and blanks, neither too many nor too long."""
    kept = dict.fromkeys(" ".join(word.split())[:_LONGEST_ITEM] for word in words)
    return tuple(word for word in kept if word)[:_MOST_ITEMS]


def _short(text: str) -> str:
    return text[:_LONGEST_REASON]
