"""Commands in plain words as operations on files: what a model may answer, and how that is read. Pure.

A model's answer is a proposal. It becomes steps only if it is exactly a plan: every operation known, every field there and
of its type, nothing too much, every path one that can be. Anything else is no plan at all; no part of it is done.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aios.errors import AiosError, NoPlan
from aios.kernel import paths

if TYPE_CHECKING:
    from aios.kernel.values import JsonObject

MOST_STEPS: Final = 8
_LONGEST_TEXT: Final = 4000
_LONGEST_PATH: Final = 200
_GRAMMAR_PATH: Final = 80  # a grammar spells lengths out: long ones make it slow
_GRAMMAR_TEXT: Final = 300
_HOME: Final = "/shared/"  # only to see whether a path can be one

FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "list": ("pattern",),
    "read": ("path",),
    "search": ("query",),
    "summarise": ("path",),
    "history": ("path",),
    "mkdir": ("path",),
    "create": ("path", "content"),
    "copy": ("source", "target"),
    "write": ("path", "content"),
    "append": ("path", "content"),
    "move": ("source", "target"),
    "rollback": ("path", "versions"),
    "delete": ("path",),
}
"""The operations that a command may become, with exactly these fields."""

HARMLESS: Final = frozenset({"list", "read", "search", "summarise", "history", "mkdir", "create", "copy"})
"""Those that change no file that is there; a person is asked before any other."""

_PATHS: Final = frozenset({"path", "source", "target", "pattern"})


@dataclass(frozen=True)
class Step:
    """One operation of a plan."""

    op: str
    args: JsonObject

    @property
    def asks(self) -> bool:
        """Whether a person must say yes before it is done."""
        return self.op not in HARMLESS

    def __str__(self) -> str:
        """The step as people read it."""
        told = [f"{name} {_shown(value)}" for name, value in self.args.items()]
        return f"{self.op} " + ", ".join(told)


def parse(answer: str) -> tuple[Step, ...]:
    """The steps of a plan.

    Raises:
        NoPlan: the answer is anything but a plan.
    """
    try:
        said = json.loads(answer, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise NoPlan("answer", answer[:80], "it is no JSON") from error
    if not isinstance(said, dict) or set(said) != {"steps"} or not isinstance(said["steps"], list):
        raise NoPlan("answer", answer[:80], "it is no object with `steps` alone")
    if len(said["steps"]) > MOST_STEPS:
        raise NoPlan("answer", f"{len(said['steps'])} steps", f"a plan has {MOST_STEPS} steps at most")
    return tuple(_step(one) for one in said["steps"])


def schema() -> JsonObject:
    """The JSON schema of a plan: what a model is held to while it answers."""
    kinds = [_object(op={"const": op}, **{name: _kind(name) for name in names}) for op, names in FIELDS.items()]
    return _object(steps={"type": "array", "maxItems": MOST_STEPS, "items": {"anyOf": kinds}})


def _step(said: Any) -> Step:
    if not isinstance(said, dict) or not isinstance(said.get("op"), str) or said["op"] not in FIELDS:
        raise NoPlan("step", str(said)[:80], "it names no operation of " + ", ".join(FIELDS))
    op, args = said["op"], {name: value for name, value in said.items() if name != "op"}
    if set(args) != set(FIELDS[op]):
        raise NoPlan("step", str(said)[:80], f"{op} takes exactly {', '.join(FIELDS[op])}")
    for name, value in args.items():
        _check(name, value)
    return Step(op, {name: args[name] for name in FIELDS[op]})


def _check(name: str, value: Any) -> None:
    if name == "versions":
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1000:  # noqa: PLR2004
            raise NoPlan(name, str(value)[:80], "give a number from 1 to 1000")
        return
    if not isinstance(value, str) or len(value) > (_LONGEST_PATH if name in _PATHS else _LONGEST_TEXT):
        raise NoPlan(name, str(value)[:80], "give a text that is not too long")
    if "\x00" in value:
        raise NoPlan(name, value[:80], "it holds a NUL character")
    try:
        value.encode()
        if name in _PATHS:
            paths.canonical(value, home=_HOME)
    except (AiosError, UnicodeEncodeError) as error:
        raise NoPlan(name, value[:80].encode("utf-8", "replace").decode(), str(error)) from error
    if name in {"path", "source", "target"} and set("*?") & set(value):
        raise NoPlan(name, value[:80], "name one file, not a pattern")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no field stands twice: which of the two would be meant?"""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a field stands twice")
    return dict(pairs)


def _kind(name: str) -> JsonObject:
    if name == "versions":
        return {"type": "integer", "minimum": 1, "maximum": 1000}
    return {"type": "string", "maxLength": _GRAMMAR_PATH if name in _PATHS else _GRAMMAR_TEXT}


def _object(**schemas: JsonObject) -> JsonObject:
    return {"type": "object", "properties": schemas, "required": list(schemas), "additionalProperties": False}


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return repr(text if len(text) <= 60 else text[:59] + "…")  # noqa: PLR2004  # for people
