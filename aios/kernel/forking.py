"""Where a journal may be forked, and what an edited answer looks like in it. Pure."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from aios.errors import InvalidArgument
from aios.kernel.replay import Entry
from aios.kernel.values import ANY_DEPTH, canonical, short

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.kernel.values import Json, JsonObject


class Side(StrEnum):
    """How a request stands in two journals."""

    SAME = "same"
    CHANGED = "changed"
    LEFT = "left"
    RIGHT = "right"


class Difference(NamedTuple):
    """One request in two journals; None where it does not stand."""

    seq: str
    side: Side
    left: Entry | None
    right: Entry | None


def number(seq: str) -> int:
    """The number of a request among those of the program itself: 4 for all branches of the gather at 4."""
    return int(seq.partition(".")[0])


def check(entries: Mapping[str, Entry], *, at: int) -> None:
    """Check that a journal may be shared up to request `at`.

    Raises:
        InvalidArgument: it has no such request, or one up to it is not answered yet.
    """
    last = max((number(seq) for seq in entries), default=0)
    if isinstance(at, bool) or not isinstance(at, int) or not 0 <= at <= last:
        raise InvalidArgument("at", at, f"give a whole number from 0 to {last}: the journal's last request")
    for seq, entry in entries.items():
        if entry.open and number(seq) <= at:
            before = number(seq) - 1
            remedy = f"request {seq} has no answer yet ({entry.label}); the last that can be given is {before}"
            raise InvalidArgument("at", at, remedy)


def edited(entries: Mapping[str, Entry], *, at: int, edit: Json) -> Entry:
    """The entry of request `at` with another answer.

    Args:
        entries: the journal.
        at: the request's number.
        edit: of a model's answer its text (JSON is one, too), or the whole message; of anything else its JSON result.

    Raises:
        InvalidArgument: the request is a gather, whose branches have an answer each, or `edit` is no message.
        NotJson: `edit` is no JSON.
    """
    entry = entries.get(str(at))
    if entry is None:
        raise InvalidArgument(
            "edit", f"of request {at}", "it is a gather of several; fork before it, or edit a single request"
        )
    canonical(edit, what="edit")
    results = list(entry.results) or [None]
    place = next((i for i, result in enumerate(results) if _is_reply(result)), None)
    if place is None and not entry.label.startswith(("llm.chat", "llm.complete")):
        results[-1] = edit
    else:
        place = len(results) - 1 if place is None else place
        old = results[place] or {"finish_reason": "stop", "usage": None, "core": ""}
        results[place] = {**old, "message": _message(edit)}
    return Entry(entry.digest, entry.label, results=results)


def differences(left: Mapping[str, Entry], right: Mapping[str, Entry]) -> list[Difference]:
    """Two journals beside each other, in the order of the left one; what only the right one has follows."""
    both = [*left, *(seq for seq in right if seq not in left)]
    return [Difference(seq, _side(left.get(seq), right.get(seq)), left.get(seq), right.get(seq)) for seq in both]


def _side(left: Entry | None, right: Entry | None) -> Side:
    if left is None or right is None:
        return Side.RIGHT if left is None else Side.LEFT
    return Side.SAME if _told(left) == _told(right) else Side.CHANGED


def _told(entry: Entry) -> tuple[object, ...]:
    error = entry.error.to_json() if entry.error else None
    return entry.digest, entry.open, error, canonical([_plain(result) for result in entry.results], deepest=ANY_DEPTH)


def _plain(result: Json) -> Json:
    """A result without what differs from one generation of the same answer to the other."""
    return result["message"] if _is_reply(result) else result


def _is_reply(result: Json) -> bool:
    return isinstance(result, dict) and isinstance(result.get("message"), dict) and "finish_reason" in result


def _message(edit: Json) -> JsonObject:
    if isinstance(edit, str):
        return {"role": "assistant", "content": edit}
    if not isinstance(edit, dict) or not {"role", "content", "tool_calls"} & set(edit):
        return {"role": "assistant", "content": short(edit, sys.maxsize)}  # a reply to a schema is a text, too
    if edit.get("role", "assistant") == "assistant" and {"content", "tool_calls"} & set(edit):
        return {"role": "assistant", **edit}
    raise InvalidArgument(
        "edit", edit, "a model's answer is a text, or an assistant's message with `content` or `tool_calls`"
    )
