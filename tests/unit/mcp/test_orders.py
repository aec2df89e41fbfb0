"""What the MCP server offers, and what a call of it orders."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from aios.errors import UnknownTool
from aios.kernel.chat import ToolSpec
from aios.mcp.orders import Orders

ANY = {"type": "object", "properties": {}}


@pytest.fixture
def orders():
    return Orders([ToolSpec("web.fetch", "Fetch.", ANY), ToolSpec("memory_add", "Mine.", ANY)], group="desk")


def test_tools_are_offered_beside_memory_and_files_and_no_two_names_are_alike(orders):
    names = [one.name for one in orders.offered()]
    assert sorted(set(names)) == sorted(names)
    assert {"memory_search", "storage_read", "storage_write", "storage_list", "web_fetch", "tool_memory_add"} <= set(
        names
    )
    for one in orders.offered():
        Draft202012Validator.check_schema(one.parameters)


def test_a_tool_is_ordered_under_its_own_name(orders):
    assert orders.order("web_fetch", {"url": "x"}) == {
        "do": "tool.call",
        "with": {"tool": "web.fetch", "arguments": {"url": "x"}},
    }


def test_memory_and_files_are_the_groups(orders):
    assert orders.order("memory_search", {"query": "x"})["with"] == {"query": "x", "namespace": "group/desk"}
    assert orders.order("storage_read", {"path": "a.md"})["with"] == {"path": "/groups/desk/a.md"}
    assert orders.order("storage_list", {})["with"] == {"pattern": "/groups/desk/**"}


def test_what_is_not_offered_is_refused_with_the_nearest_name(orders):
    with pytest.raises(UnknownTool, match="did you mean 'web_fetch'"):
        orders.order("web_fetsh", {})
