"""A smallest value that fits a JSON schema: how a backend without a model keeps to a grammar."""

from __future__ import annotations

import json
from typing import cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError

_DEPTH = 32  # a schema that needs deeper values is recursive without an end
_BY_TYPE: dict[str, object] = {"string": "", "number": 0, "integer": 0, "boolean": False, "null": None}


def problem(source: str) -> str | None:
    """Why no answer can be made for a schema, given as JSON text; `None` when one can."""
    try:
        smallest(source)
    except ValueError as error:
        return str(error)
    return None


def smallest(source: str) -> str:
    """JSON text that fits the schema in `source`.

    Raises:
        ValueError: the schema is wrong, or beyond what is understood here.
    """
    schema = json.loads(source)
    try:
        Draft202012Validator.check_schema(schema)
        value = _value(schema, schema, _DEPTH)
        Draft202012Validator(schema).validate(value)
    except SchemaError as error:
        raise ValueError(f"no JSON schema: {error.message}") from error
    except ValidationError as error:
        raise ValueError(f"not supported by this engine: {error.message}") from error
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _value(schema: object, root: object, depth: int) -> object:
    if depth == 0:
        raise ValueError("the schema nests without an end")
    if not isinstance(schema, dict):
        return {}
    fixed = _fixed(schema)
    if fixed is not None:
        return fixed[0]
    chosen = _alternative(schema, root)
    if chosen is not None:
        return _value(chosen, root, depth - 1)
    return _by_type(cast("dict[str, object]", schema), root, depth)


def _fixed(schema: dict[str, object]) -> tuple[object] | None:
    if "const" in schema:
        return (schema["const"],)
    choices = schema.get("enum")
    return (choices[0],) if isinstance(choices, list) and choices else None


def _alternative(schema: dict[str, object], root: object) -> object | None:
    """The schema to follow instead: a reference, or the last way (the plainest, by custom) of several."""
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _resolve(reference, root)
    for key in ("anyOf", "oneOf", "allOf"):
        ways = schema.get(key)
        if isinstance(ways, list) and ways:
            last: object = ways[-1]
            return last
    return None


def _resolve(reference: str, root: object) -> object:
    at = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(at, dict) or name not in at:
            raise ValueError(f"the reference {reference!r} leads nowhere")
        at = at[name]
    return at


def _by_type(schema: dict[str, object], root: object, depth: int) -> object:
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        return _object(schema, root, depth)
    if kind == "array":
        return [_value(schema.get("items", {}), root, depth - 1)] * _count(schema.get("minItems"))
    if kind == "string":
        return "x" * _count(schema.get("minLength"))
    if kind in ("integer", "number"):
        return schema.get("minimum", _BY_TYPE[kind])
    return _BY_TYPE[str(kind)]


def _object(schema: dict[str, object], root: object, depth: int) -> dict[str, object]:
    properties = schema.get("properties")
    required = schema.get("required")
    known = properties if isinstance(properties, dict) else {}
    names = required if isinstance(required, list) else []
    return {str(name): _value(known.get(name, {}), root, depth - 1) for name in names}


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
