"""Agentic notes: what a model is asked, and that no answer, however wrong, is more than an unusable one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aios.kernel.noting import (
    ANALYSIS_SCHEMA,
    EVOLUTION_SCHEMA,
    Analysis,
    Change,
    Evolution,
    Unusable,
    conversation,
    read_analysis,
    read_evolution,
)


def said(value, finish="stop"):
    text = value if isinstance(value, str) else json.dumps(value)
    return {"message": {"role": "assistant", "content": text}, "finish_reason": finish}


def test_an_answer_that_fits_the_schema_is_used():
    answer = {
        "keywords": ["Oslo", " trip "],
        "context": "A trip.",
        "tags": ["travel", "travel", ""],
        "category": "plans",
    }
    Draft202012Validator(ANALYSIS_SCHEMA).validate(answer)
    assert read_analysis(said(answer)) == Analysis(("Oslo", "trip"), "A trip.", ("travel",), "plans")


def test_neighbours_are_numbered_from_one_and_numbers_of_none_are_left_out():
    answer = {
        "links": [2, 2, 9, -1, 1],
        "updates": [
            {"neighbour": 1, "context": "new", "tags": ["a"]},
            {"neighbour": 3, "context": "of nobody", "tags": []},
            {"neighbour": 2, "context": " ", "tags": []},
        ],
    }
    Draft202012Validator(EVOLUTION_SCHEMA).validate(answer)
    assert read_evolution(said(answer), neighbours=2) == Evolution((1, 0), (Change(0, "new", ("a",)),))


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (said("Sure! Here are the keywords"), "Invalid JSON"),
        (said("[1, 2]"), "cannot be used"),
        (said({"keywords": "Oslo", "context": "x"}), "keywords"),
        (said({"keywords": [1], "context": "x"}), "keywords"),
        (said({"keywords": [" "], "context": " "}), "neither"),
        (said('{"keywords": ["a"', finish="length"), "cut off"),
        ({"message": {"content": None}, "finish_reason": "stop"}, "cannot be used"),
        ({"finish_reason": "skipped"}, "cannot be used"),
        ({"refused": "too long", "finish_reason": "refused"}, "too long"),
    ],
)
def test_an_unusable_answer_tells_why(reply, why):
    told = read_analysis(reply)
    assert isinstance(told, Unusable)
    assert why in told.reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["keywords", "context", "tags", "links", "updates", "neighbour"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(json_values | st.text(max_size=20), st.integers(0, 3))
def test_whatever_a_model_says_nothing_is_raised_and_nothing_is_out_of_range(value, neighbours):
    assert isinstance(read_analysis(said(value)), Analysis | Unusable)
    evolution = read_evolution(said(value), neighbours=neighbours)
    if isinstance(evolution, Evolution):
        assert all(0 <= place < neighbours for place in evolution.links)
        assert all(0 <= change.neighbour < neighbours for change in evolution.changes)


def test_the_note_and_its_neighbours_are_in_what_is_asked():
    """The published prompts were always blank: they read a field that did not exist, and neighbours were lost on the way."""
    (*_, asked) = conversation({"kind": "analyse", "of": 0}, [{"id": "1", "content": "Karin lives in Oslo."}])
    assert "Karin lives in Oslo." in asked["content"]
    neighbours = [{"content": "Karin moved.", "context": "family", "tags": ["a"]}]
    seen = {"usable": True, "neighbours": neighbours, "note": {"content": "Karin lives in Oslo.", "tags": ["b"]}}
    (*_, asked) = conversation({"kind": "evolve", "of": 2}, [{}, {}, seen])
    for part in ("Karin lives in Oslo.", "1. Karin moved.", "family", "[a]", "[b]"):
        assert part in asked["content"]


@pytest.mark.parametrize(
    ("kind", "result"), [("analyse", {"id": None}), ("evolve", {"usable": True, "neighbours": []})]
)
def test_where_there_is_nothing_to_ask_nobody_is_asked(kind, result):
    assert conversation({"kind": kind, "of": 0}, [result]) == []
