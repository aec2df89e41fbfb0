"""The arguments of a tool: their JSON schema from the function's signature, and their check before each call."""

from __future__ import annotations

import inspect
import typing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, ValidationError, create_model

from aios.errors import BadToolArguments, InvalidArgument, did_you_mean
from aios.kernel.values import canonical, short
from aios.tools.caller import Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic_core import ErrorDetails

    from aios.kernel.values import Json, JsonObject

_SHOWN: Final = 80
_PREFIX: Final = "argument_"


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Arguments:
    """What a function takes, as a schema for models and as a check of what they send.

    Attributes:
        schema: the JSON schema of an object with the arguments.
    """

    def __init__(self, function: Callable[..., object], descriptions: Mapping[str, str]) -> None:
        """Read the signature.

        Args:
            function: a plain function whose parameters all have annotations.
            descriptions: what the parameters mean, by name.

        Raises:
            InvalidArgument: a parameter cannot be filled from a JSON object.
        """
        hints = _hints(function)
        parameters = dict(inspect.signature(function).parameters)
        self._caller = next((name for name in parameters if hints.get(name) is Caller), None)
        parameters.pop(self._caller or "", None)
        self._names = tuple(parameters)
        fields = {name: (_annotation(p, hints), _field(p, descriptions)) for name, p in parameters.items()}
        self._model, self.schema = _model(getattr(function, "__name__", "tool"), fields)

    def bind(self, tool: str, given: Json, *, caller: Caller) -> dict[str, object]:
        """The keyword arguments to call the function with; what is left out gets the function's own default.

        Raises:
            BadToolArguments: `given` does not fit; each problem says where, what is wrong and what was given.
        """
        try:
            # Strict: a model that writes "3" for 3 is told so, instead of a guess that hides what it meant.
            values = self._model.model_validate_json(canonical(given, what=f"arguments of tool {tool!r}"), strict=True)
        except ValidationError as error:
            raise BadToolArguments(tool, [self._problem(e) for e in error.errors(include_url=False)]) from error
        bound = {name.removeprefix(_PREFIX): getattr(values, name) for name in values.model_fields_set}
        return bound | ({self._caller: caller} if self._caller else {})

    def _problem(self, error: ErrorDetails) -> str:
        where = ".".join(str(part) for part in error["loc"]) or "arguments"
        if error["type"] == "missing":
            return f"{where}: is required"
        if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
            near = did_you_mean(where, self._names)
            return f"{where}: is no argument of it; " + (
                f"did you mean {near[0]}?" if near else f"it takes {', '.join(self._names) or 'none'}"
            )
        return f"{where}: {_lower(error['msg'])}, got {short(error['input'], _SHOWN)}"


def _hints(function: Callable[..., object]) -> dict[str, object]:
    # The result's annotation is left out: it may name a type that only the type checker imports.
    annotations = {name: hint for name, hint in getattr(function, "__annotations__", {}).items() if name != "return"}
    holder = SimpleNamespace(__annotations__=annotations)
    try:
        return typing.get_type_hints(holder, globalns=getattr(function, "__globals__", {}), include_extras=True)
    except (NameError, TypeError) as error:
        remedy = f"its annotations cannot be read ({error}); import the types where the tool runs"
        raise InvalidArgument("tool", getattr(function, "__name__", "?"), remedy) from error


def _annotation(parameter: inspect.Parameter, hints: Mapping[str, object]) -> object:
    if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
        raise InvalidArgument("tool parameter", str(parameter), "a model gives arguments by name, one value each")
    if parameter.name not in hints:
        raise InvalidArgument("tool parameter", parameter.name, "annotate it with a type: the schema is made from it")
    return hints[parameter.name]


def _field(parameter: inspect.Parameter, descriptions: Mapping[str, str]) -> object:
    default = ... if parameter.default is parameter.empty else parameter.default
    return Field(default, alias=parameter.name, description=descriptions.get(parameter.name))


def _model(name: str, fields: dict[str, tuple[object, object]]) -> tuple[type[_Arguments], JsonObject]:
    # A field's own name gets a prefix, so that a parameter may be called `schema`, `copy` or `model_name`.
    definitions = {f"{_PREFIX}{field}": definition for field, definition in fields.items()}
    try:
        model: type[_Arguments] = create_model(name, __base__=_Arguments, **definitions)  # type: ignore[call-overload]
        schema = _untitled(model.model_json_schema())
    except (PydanticUserError, TypeError) as error:
        raise InvalidArgument("tool", name, f"its parameters have no JSON schema ({error})") from error
    return model, {"properties": {}, **schema}


def _untitled(schema: Json) -> Json:
    """The schema without the titles that pydantic derives from names: they cost a model's tokens and say nothing."""
    if isinstance(schema, list):
        return [_untitled(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _untitled(part) for name, part in value.items()}
        if key in {"properties", "$defs"}
        else _untitled(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
