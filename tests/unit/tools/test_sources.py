"""Loading tools: what is found, and that one broken file disturbs no other."""

from __future__ import annotations

import os
import sys
from importlib.metadata import EntryPoint
from uuid import uuid4

import pytest

from aios.settings import SandboxSettings, Settings, ToolSettings
from aios.tools import sources

TOOL = """
from __future__ import annotations
from typing import TYPE_CHECKING
from aios.tools.tool import tool
if TYPE_CHECKING:
    from somewhere import Nothing

NUMBER = {number}

@tool
def {name}() -> Nothing:
    '''Give a number.'''
    return NUMBER

alias = {name}
"""


def write(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def load(*places):
    return sources.load(Settings(tools={"path": os.pathsep.join(str(place) for place in places)}))


def test_the_tools_that_ship_are_there_and_whole():
    registry = load()
    assert [loaded.tool.name for loaded in registry.listing()] == [
        "arxiv",
        "calculator",
        "clock",
        "files.list",
        "files.read",
        "files.write",
        "http_get",
        "memory.add",
        "memory.search",
        "python.run",
        "shell.run",
        "sql.query",
        "text",
        "web.fetch",
        "web.search",
        "wikipedia",
    ]
    assert registry.errors == []
    for loaded in registry.listing():
        spec = loaded.tool.spec
        assert len(spec.description) > 20
        assert all(schema.get("description") for schema in spec.parameters["properties"].values()), spec


def test_a_shipped_tool_is_called_by_name():
    assert load().call("calculator", {"expression": "2*21"}, agent_id=uuid4(), seconds=5) == 42


@pytest.mark.parametrize(
    ("sandbox", "why"), [({"enabled": False}, "switched off"), ({"bubblewrap": "/no/bwrap"}, "cannot be started")]
)
def test_where_no_sandbox_can_be_had_what_runs_code_is_off_and_says_why(sandbox, why):
    settings = Settings(tools=ToolSettings(sandbox=SandboxSettings(**sandbox)))
    off = {
        loaded.tool.name: loaded.tool.why_off()
        for loaded in sources.built_in(settings)
        if loaded.tool.name.endswith(".run")
    }
    assert set(off) == {"python.run", "shell.run"}
    assert all(why in told for told in off.values())


def test_fault_21_files_of_several_folders_are_loaded_under_names_of_their_own(tmp_path):
    write(tmp_path / "a", "mine.py", TOOL.format(name="one", number=1))
    write(tmp_path / "b", "mine.py", TOOL.format(name="two", number=2))
    write(tmp_path / "b", "_private.py", "raise SystemExit")
    before = list(sys.path)
    registry = load(tmp_path / "a", tmp_path / "b" / "mine.py")
    assert registry.errors == []
    assert registry.call("one", {}, agent_id=uuid4(), seconds=5) == 1
    assert registry.call("two", {}, agent_id=uuid4(), seconds=5) == 2
    assert "mine" not in sys.modules
    own = [
        module
        for module in list(sys.modules.values())
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path))
    ]
    assert len(own) == 2  # the one did not take the other's place
    assert sys.path == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def broken(:", "SyntaxError"),
        ("import no_such_module_anywhere", "ModuleNotFoundError"),
        ("raise SystemExit('bye')", "SystemExit: bye"),
        ("x = 1", "no function decorated with @tool"),
        ("from aios.tools.tool import tool\n@tool\nasync def f(): pass", "no `async`"),
        (TOOL.format(name="calculator", number=1), "taken by built-in"),
    ],
)
def test_an_error_in_one_file_is_told_and_the_others_go_on(tmp_path, text, says):
    write(tmp_path / "a", "bad.py", text)
    write(tmp_path / "a", "good.py", TOOL.format(name="good", number=1))
    registry = load(tmp_path / "a")
    assert "good" in registry.infos()
    (error,) = registry.errors
    assert error.source.endswith("bad.py")
    assert says in error.text


def test_a_folder_that_is_not_there_is_told(tmp_path):
    (error,) = load(tmp_path / "nowhere").errors
    assert "AIOS_TOOLS__PATH" in error.text


def test_entry_points_name_a_tool_or_a_module():
    def point(value):
        return EntryPoint("x", value, sources.ENTRY_POINTS)

    errors = []
    points = [
        point("aios.tools.clock:clock"),
        point("aios.tools.calculator"),
        point("no_such_module"),
        point("math:pi"),
    ]
    loaded = sources.from_entry_points(errors, points=points)
    assert [one.tool.name for one in loaded] == ["clock", "calculator"]
    assert [error.source for error in errors] == ["entry point no_such_module", "entry point math:pi"]
