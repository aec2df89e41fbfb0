import json

import pytest
from jsonschema import Draft202012Validator

from aios.local.engine import schema

GOOD = [
    {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    {"type": "array", "items": {"type": "integer", "minimum": 3}, "minItems": 2},
    {"enum": ["x", "y"]},
    {"const": {"deep": [1]}},
    {"anyOf": [{"type": "string"}, {"type": "null"}]},
    {"$ref": "#/$defs/point", "$defs": {"point": {"type": "object", "properties": {"x": {"type": "number"}}}}},
    {"type": ["boolean", "null"]},
    {"type": "string", "minLength": 4},
]


@pytest.mark.parametrize("good", GOOD)
def test_the_smallest_value_fits_its_schema(good):
    value = json.loads(schema.smallest(json.dumps(good)))
    Draft202012Validator(good).validate(value)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"type": "nonsense"}, "no JSON schema"),
        ({"type": "string", "pattern": "^a+$"}, "not supported"),
        ({"$ref": "#/nowhere"}, "leads nowhere"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "without an end"),
    ],
)
def test_what_cannot_be_made_is_said(bad, why):
    assert why in str(schema.problem(json.dumps(bad)))
