"""The memory pool's executor before its transaction: what is checked, and what is embedded."""

from __future__ import annotations

from uuid import uuid4

import pytest

from aios.errors import InvalidArgument, NotFound
from aios.memory.executor import MemoryExecutor
from aios.testing import FakeEmbedder
from tests.asking import claimed


def perform(op, payload, *, embedder=None, earlier=()):
    call = claimed("memory", op, payload, earlier=earlier)
    return MemoryExecutor(embedder or FakeEmbedder()).perform(call)


@pytest.mark.parametrize(
    ("op", "payload", "says"),
    [
        ("add", {"content": ""}, "content"),
        ("add", {"content": 3}, "content"),
        ("add", {"content": "x" * 100_001}, "content"),
        ("add", {"content": "x", "tags": "t"}, "tags"),
        ("add", {"content": "x", "tags": [1]}, "tags.0"),
        ("add", {"content": "x", "tags": ["t"] * 101}, "tags"),
        ("add", {"content": "x", "metadata": []}, "metadata"),
        ("add", {"content": "x", "metadata": {"a": "x" * 70_000}}, "metadata"),
        ("add", {"content": "x", "namespace": "agent:other"}, "namespace"),
        ("search", {"query": "x", "k": 0}, "k"),
        ("search", {"query": "x", "k": 101}, "k"),
        ("search", {"query": "x", "k": True}, "k"),
        ("search", {"query": None}, "query"),
        ("update", {"id": str(uuid4()), "content": ""}, "content"),
        ("remember", {"tags": []}, "from"),
        ("forget", {}, "add, get, search"),
        ("search", {"query": "x", "after": "2026-01-31T12:00:00"}, "zone"),
        ("search", {"query": "x", "threshold": 2.0}, "threshold"),
        ("write", {"name": "", "value": 1}, "name"),
        ("write", {"name": "a\x00b", "value": 1}, "name"),
        ("write", {"name": "a", "value": "x" * 300_000}, "block"),
        ("alloc", {"name": "a", "bytes": 0}, "bytes"),
        ("read", {}, "name"),
    ],
)
def test_a_wrong_operation_is_refused_before_anything_is_embedded(op, payload, says):
    embedder = FakeEmbedder()
    with pytest.raises(InvalidArgument, match=says):
        perform(op, payload, embedder=embedder)
    assert embedder.asked == []


@pytest.mark.parametrize("op", ["get", "remove", "update"])
def test_what_is_no_id_is_not_found(op):
    with pytest.raises(NotFound, match="no memory 'nine'"):
        perform(op, {"id": "nine"})


def test_a_text_is_embedded_once_and_outside_the_transaction():
    embedder = FakeEmbedder()
    outcome = perform("add", {"content": "a", "tags": [], "metadata": {}}, embedder=embedder)
    assert embedder.asked == ["a"]
    assert outcome.effect is not None


def test_a_search_for_nothing_finds_nothing():
    embedder = FakeEmbedder()
    assert perform("search", {"query": "  ", "k": 5, "tags": []}, embedder=embedder).effect(None) == []
    assert embedder.asked == []


@pytest.mark.parametrize("message", [{"content": None, "tool_calls": []}, {"content": " "}, {}])
def test_a_reply_without_a_text_is_not_remembered(message):
    outcome = perform("remember", {"tags": [], "from": 0}, earlier=[{"message": message}])
    assert outcome.result == {"id": None}
