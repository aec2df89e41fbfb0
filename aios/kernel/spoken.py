"""Names of tools as models may speak them: letters, digits, `_` and `-`, up to 64. Pure.

A dot is no letter for most engines, so `web.fetch` is offered as `web_fetch`. The way back is a table of what was offered,
never a rule: a rule would turn a tool that is really called `web_fetch` into another.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aios.kernel.values import JsonObject

_LONGEST: Final = 64
_PLAIN: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{_LONGEST}}}")
_OTHER: Final = re.compile(r"[^A-Za-z0-9_-]")


def spoken(names: Iterable[str]) -> dict[str, str]:
    """What to offer each tool as: no two alike, and each tool that can be spoken already as it is."""
    known = list(dict.fromkeys(names))
    said = {name: name for name in known if _PLAIN.fullmatch(name)}
    taken = set(said.values())
    for name in known:
        if name not in said:
            said[name] = _free(_OTHER.sub("_", name)[:_LONGEST] or "tool", taken)
            taken.add(said[name])
    return said


def message_as_spoken(message: JsonObject, said: dict[str, str]) -> JsonObject:
    """A message of a conversation with its tools' names as they are offered; others stay as they are."""
    changed = dict(message)
    if message.get("tool_calls"):
        changed["tool_calls"] = [_call(call, said) for call in message["tool_calls"]]
    if message.get("name") in said:
        changed["name"] = said[message["name"]]
    return changed


def _call(call: JsonObject, said: dict[str, str]) -> JsonObject:
    function = call["function"]
    return {**call, "function": {**function, "name": said.get(function["name"], function["name"])}}


def _free(wanted: str, taken: set[str]) -> str:
    if wanted not in taken:
        return wanted
    number = 2
    while (found := f"{wanted[: _LONGEST - 1 - len(str(number))]}_{number}") in taken:
        number += 1
    return found
