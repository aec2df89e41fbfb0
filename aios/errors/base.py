"""What every error has in common: its class says who has to act, and it crosses processes as JSON."""

from __future__ import annotations

import difflib
import json
import reprlib
from typing import TYPE_CHECKING, ClassVar, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable


class ErrorJson(TypedDict):
    """An error as it stands in the journal."""

    type: str
    args: list[object]
    message: str


class AiosError(Exception):
    """Base of all errors of AIOS. `kinds` maps a class name to the class, so that a stored error can be raised again."""

    kinds: ClassVar[dict[str, type[AiosError]]] = {}
    retried: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        """Register the class under its name."""
        super().__init_subclass__()
        AiosError.kinds[cls.__name__] = cls

    def to_json(self) -> ErrorJson:
        """The error as a JSON value that Postgres can store, whatever it holds; `from_json` gives it back."""
        return {
            "type": type(self).__name__,
            "args": [_plain(value) for value in self.args],
            "message": clean(str(self)),
        }


def clean(text: str) -> str:
    """Text from outside (an engine, a page, a program) with what Postgres cannot store replaced by U+FFFD or `?`."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _plain(value: object) -> object:
    """A value as JSON, or what Python shows of it: an error that cannot be written would end nothing."""
    try:
        return _clean(json.loads(json.dumps(value, default=reprlib.repr, allow_nan=False)))
    except (TypeError, ValueError, RecursionError):  # a key that is none, NaN, a value within itself
        return clean(reprlib.repr(value))


def _clean(value: object) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _clean(inner) for key, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value


def from_json(value: ErrorJson) -> AiosError:
    """The error that `to_json` stored; an unknown type comes back as `ProgramFailed`, never as a crash."""
    kind = AiosError.kinds.get(value["type"])
    if kind is None:
        from aios.errors.final import ProgramFailed  # noqa: PLC0415  # it derives from this module's class

        return ProgramFailed(value["type"], value.get("message", ""), "")
    return kind(*value["args"])


def did_you_mean(name: str, known: Iterable[str]) -> list[str]:
    """The known names nearest to `name`, best first: the `near` argument of the unknown-name errors."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)


def hint(near: object, otherwise: str) -> str:
    """The end of an unknown-name error's text: the names nearest to the wrong one, or what to do `otherwise`."""
    names = [str(n) for n in near] if isinstance(near, list) else []
    return f"; did you mean {' or '.join(repr(n) for n in names)}?" if names else f"; {otherwise}"
