"""Which operations need a human, and what an answer is tied to."""

from __future__ import annotations

import pytest

from aios.kernel.access import Ask
from aios.kernel.approval import File, Kind, bound, edited, of_file, of_tools
from aios.kernel.plan import ToolInfo
from aios.kernel.words import Effect

MINE, SHARED = "file:/agents/me/x", "file:/shared/x"
NEW, OWN, FOREIGN = File(), File(3, "me"), File(3, "other")
GONE, NOBODYS = File(3, "other", deleted=True), File(3, None)


@pytest.mark.parametrize(
    ("op", "operation", "resource", "file", "kind"),
    [
        ("write", "write", MINE, OWN, None),
        ("write", "write", SHARED, NEW, None),
        ("write", "write", SHARED, OWN, None),
        ("write", "write", SHARED, GONE, None),
        ("write", "write", SHARED, FOREIGN, Kind.OVERWRITE_OTHER),
        ("append", "write", SHARED, FOREIGN, Kind.OVERWRITE_OTHER),
        ("copy", "write", SHARED, NOBODYS, Kind.OVERWRITE_OTHER),
        ("mkdir", "write", SHARED, FOREIGN, None),
        ("delete", "delete", MINE, OWN, Kind.DELETE_OWN),
        ("delete", "delete", SHARED, OWN, Kind.DELETE_OWN),
        ("delete", "delete", SHARED, FOREIGN, Kind.DELETE_OTHER),
        ("move", "delete", SHARED, FOREIGN, Kind.DELETE_OTHER),
        ("move", "delete", MINE, OWN, None),
        ("rollback", "write", MINE, OWN, Kind.ROLLBACK_OWN),
        ("rollback", "write", SHARED, FOREIGN, Kind.ROLLBACK_OTHER),
        ("share", "share", MINE, OWN, Kind.SHARE),
        ("read", "read", SHARED, FOREIGN, None),
    ],
)
def test_what_cannot_be_taken_back(op, operation, resource, file, kind):
    assert of_file(op, Ask(operation, resource), agent="me", file=file) is kind


def test_tools_that_happen_once_or_run_code():
    known = {"look": ToolInfo("look"), "send": ToolInfo("send", Effect.ONCE), "run": ToolInfo("run")}
    assert of_tools(["look", "send", "run", "unknown"], known=known, code=["run"]) == {
        "send": Kind.ONCE,
        "run": Kind.CODE,
    }


def test_an_answer_is_tied_to_the_arguments_whatever_their_order():
    assert bound({"a": 1, "b": [1, 2]}) == bound({"b": [1, 2], "a": 1})
    assert bound({"a": 1}) != bound({"a": "1"})


def test_an_edit_is_laid_over_what_is_there():
    assert edited({"tool": "t", "arguments": {"a": 1, "b": 2}}, {"arguments": {"b": 3}}) == {
        "tool": "t",
        "arguments": {"a": 1, "b": 3},
    }
    assert edited({"a": {"b": 1}}, {"a": 2}) == {"a": 2}
