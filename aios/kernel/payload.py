"""What a syscall carries, read as a typed value: executors check the shape of a payload here, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from aios.errors import InvalidArgument

if TYPE_CHECKING:
    from aios.kernel.values import Json


class Payload(BaseModel):
    """Base of the operations' arguments: exact types, no field too many, nothing changes afterwards."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


P = TypeVar("P", bound=Payload)


def read(kind: type[P], payload: Json) -> P:
    """The payload as a value of `kind`.

    Raises:
        InvalidArgument: it does not fit; the message names the first field that is wrong.
    """
    try:
        return kind.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "argument"
        given = first["input"] if first["type"] != "missing" else None
        raise InvalidArgument(where, _short(given), first["msg"][:1].lower() + first["msg"][1:]) from error


def _short(value: Json) -> Json:
    return value[:80] + "…" if isinstance(value, str) and len(value) > 80 else value  # noqa: PLR2004  # for a message
