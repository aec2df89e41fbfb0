"""Plans of file operations: exactly a plan is one, and nothing else ever becomes an operation."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aios.errors import NoPlan
from aios.kernel.commands import FIELDS, HARMLESS, MOST_STEPS, Step, parse, schema

GOOD = {"op": "write", "path": "a.md", "content": "x"}


def said(*steps):
    return json.dumps({"steps": list(steps)})


def test_a_plan_is_read_in_order():
    assert parse(said(GOOD, {"op": "delete", "path": "b"})) == (
        Step("write", {"path": "a.md", "content": "x"}),
        Step("delete", {"path": "b"}),
    )
    assert parse(said()) == ()


def test_only_what_changes_no_file_goes_unasked():
    assert {op for op in FIELDS if Step(op, {}).asks} == {"write", "append", "move", "rollback", "delete"}
    assert set(FIELDS) > HARMLESS


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "rm -rf /",
        "null",
        "[]",
        '{"steps": null}',
        '{"steps": {}}',
        '{"steps": [], "more": 1}',
        '{"steps": [{"op": "delete", "path": "a"}',  # cut short
        said(GOOD)[:-1],
        said(GOOD) + " and then",
        said("delete a"),
        said({"op": "format", "path": "a"}),
        said({"op": ["delete"], "path": "a"}),
        said({"op": "delete"}),
        said({"op": "delete", "path": "a", "everything": True}),
        said({"op": "delete", "path": "a", "content": "a field of another operation"}),
        said({"op": "delete", "path": 3}),
        said({"op": "delete", "path": None}),
        said({"op": "delete", "path": ""}),
        said({"op": "delete", "path": "*"}),
        said({"op": "delete", "path": "a/../../b"}),
        said({"op": "delete", "path": "/etc/passwd"}),
        said({"op": "delete", "path": "a\u202eb"}),
        said({"op": "write", "path": "a", "content": "\x00"}),
        said({"op": "write", "path": "a", "content": "\ud800"}),
        said({"op": "write", "path": "a", "content": "x" * 5000}),
        said({"op": "rollback", "path": "a", "versions": True}),
        said({"op": "rollback", "path": "a", "versions": 0}),
        said({"op": "rollback", "path": "a", "versions": 1.5}),
        '{"steps": [{"op": "read", "op": "delete", "path": "a"}]}',
        said(*[GOOD] * (MOST_STEPS + 1)),
        "[" * 100_000,
    ],
)
def test_anything_else_is_no_plan(answer):
    with pytest.raises(NoPlan):
        parse(answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["steps", "op", "path", *FIELDS]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["steps", "op", "path", "content", "source", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.text(max_size=60) | JSON.map(json.dumps) | JSON.map(lambda value: json.dumps({"steps": [value]})))
@example(said({"op": "delete", "path": "a"}))
def test_garbage_is_never_half_a_plan(answer):
    """What is read is what was said, to the letter; all else raises."""
    try:
        steps = parse(answer)
    except NoPlan:
        return
    assert [{"op": step.op, **step.args} for step in steps] == json.loads(answer)["steps"]
    jsonschema.validate(json.loads(answer), schema())


@given(st.text('abc{}[]":,\\ ', max_size=12), st.integers(0, 40))
def test_a_plan_damaged_in_any_place_is_none_or_says_so_itself(noise, place):
    whole = said(GOOD)
    damaged = whole[:place] + noise + whole[place:]
    try:
        steps = parse(damaged)
    except NoPlan:
        return
    assert [{"op": step.op, **step.args} for step in steps] == json.loads(damaged)["steps"]


def test_a_step_is_shown_with_all_that_it_does():
    assert str(Step("move", {"source": "a b", "target": "c"})) == "move source 'a b', target 'c'"
    assert "…" in str(Step("write", {"path": "a", "content": "x" * 100}))
