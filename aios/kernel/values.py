"""JSON values: their canonical bytes, their bounds and their digests."""

from __future__ import annotations

import hashlib
import json
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from aios.errors import NotJson
from aios.errors.base import clean as clean  # noqa: PLC0414  # shown here too: errors import nothing of ours

if TYPE_CHECKING:
    from collections.abc import Iterable

Json: TypeAlias = Any
"""A JSON value. What is inside is typed where it is decoded, not where it is carried."""

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object."""


_DEEPEST = 100
"""Levels of nesting: Python's own functions, such as `copy.deepcopy`, give up at a few hundred."""

ANY_DEPTH = sys.maxsize
"""For what holds values that were accepted, some levels further in."""

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_DECODER = json.JSONDecoder()
_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: Json, *, what: str = "value", deepest: int = _DEEPEST) -> bytes:
    """The one spelling of a JSON value: sorted keys, no spaces, UTF-8.

    Raises:
        NotJson: `value` is no JSON, is nested too deeply, or a string in it holds NUL or a lone surrogate, which Postgres
            cannot store.
    """
    try:
        encoded = _CANONICAL.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson(what, str(error)) from error
    # one byte is looked for first: that takes a tenth of the time
    if b"\\" in encoded and b"\\u0000" in encoded and "\x00" in _strings(value):
        raise NotJson(what, "a string holds a NUL character")
    if encoded.count(b"[") + encoded.count(b"{") > deepest and _is_deeper(value, deepest):
        raise NotJson(what, f"it is nested more than {deepest} levels deep")
    return encoded


def compact(value: Json) -> str:
    """A value as JSON text without spaces, its keys in their order.

    Raises:
        TypeError: it is none.
        ValueError: a number is not finite.
    """
    return _COMPACT.encode(value)


def parsed(text: bytes | str) -> Json:
    """The value of JSON text, UTF-8 if bytes: what Postgres sends, whose encoding need not be guessed, nor its end."""
    return _DECODER.raw_decode((text if isinstance(text, str) else text.decode()).lstrip())[0]


def stored(value: Json) -> Json:
    """A JSON value as Postgres gives it back: jsonb orders keys by length, then bytes, and writes numbers out."""
    return json.loads(compact(value), object_pairs_hook=_as_stored, parse_float=_numeric)


def _as_stored(pairs: list[tuple[str, Json]]) -> JsonObject:
    return dict(sorted(pairs, key=_place)) if len(pairs) > 1 else dict(pairs)


def _place(pair: tuple[str, Json]) -> tuple[int, bytes]:
    key = pair[0].encode()
    return len(key), key


def _numeric(text: str) -> float | int:
    return int(Decimal(text)) if "e+" in text else float(text) + 0.0  # it has no negative zero


_DIGEST_BYTES = 20  # 80 bits against a collision that somebody looks for; every context stores two of them


def digest(*parts: bytes) -> bytes:
    """SHA-256 of the parts, cut to 20 bytes; each part is preceded by its length, so that no two lists collide."""
    framed = b"".join([piece for part in parts for piece in (len(part).to_bytes(8, "big"), part)])
    return hashlib.sha256(framed).digest()[:_DIGEST_BYTES]


def short(value: Json, limit: int = 120) -> str:
    """The value's JSON, cut to `limit` characters, for labels and messages."""
    text = json.dumps(value, ensure_ascii=False, default=str, sort_keys=True)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _is_deeper(value: Json, levels: int) -> bool:
    level = [value]
    for _ in range(levels + 1):
        level = [inner for outer in level for inner in _inside(outer)]
    return bool(level)


def _inside(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple)) else ()


def _strings(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "".join(_strings(k) + _strings(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return "".join(_strings(v) for v in value)
    return ""
