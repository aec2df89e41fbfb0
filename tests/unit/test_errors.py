"""Errors cross processes unchanged."""

from __future__ import annotations

import inspect
import json
import pickle
import re

import pytest

from aios import errors
from aios.errors import AiosError, from_json

KINDS = [kind for kind in AiosError.kinds.values() if kind.__module__.startswith("aios.errors.")]


def example(kind):
    """One with as many arguments as its docstring says."""
    doc = inspect.getdoc(kind) or ""
    match = re.match(rf"`{kind.__name__}\((.*?)\)`", doc)
    names = [name for name in (match.group(1).split(",") if match else []) if name.strip()]
    return kind(*(f"a{i}" for i in range(len(names))))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_survives_json_and_pickle(kind):
    error = example(kind)
    stored = json.loads(json.dumps(error.to_json()))
    for copy in (from_json(stored), pickle.loads(pickle.dumps(error))):
        assert type(copy) is kind
        assert copy.args == error.args
        assert str(copy) == str(error)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_says_who_has_to_act(kind):
    bases = (errors.CallerError, errors.DeniedError, errors.TransientError, errors.FinalError)
    assert issubclass(kind, bases)
    assert kind.retried is issubclass(kind, errors.TransientError)


def test_an_unknown_stored_error_comes_back_as_an_error_not_a_crash():
    assert "strange" in str(from_json({"type": "Strange", "args": [], "message": "strange"}))
