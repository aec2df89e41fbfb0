"""The documentation speaks of what there is: its programs and tools load, its files exist, its example is the README's."""

from __future__ import annotations

import re

import pytest

from aios.sdk import loader
from aios.settings import Settings, app_dir
from aios.tools import sources

ROOT = app_dir()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"`((?:aios|tasks|config|agents|docker|tests|benchmarks|docs)/[\w/.-]*)`")


def python_blocks(page):
    return BLOCK.findall(page.read_text())


PROGRAMS = [text for page in PAGES for text in python_blocks(page) if "@program" in text]
TOOLS = [text for page in PAGES for text in python_blocks(page) if "@tool" in text]


def test_there_are_examples():
    assert len(PROGRAMS) >= 5
    assert TOOLS


@pytest.mark.parametrize("text", PROGRAMS)
def test_an_example_program_loads(tmp_path, text):
    folder = tmp_path / "example"
    folder.mkdir()
    (folder / "agent.py").write_text(text)
    found = [item for item in loader.load(Settings(agents_path=str(tmp_path))) if str(tmp_path) in item.source]
    assert [item.error for item in found] == [""]


@pytest.mark.parametrize("text", TOOLS)
def test_an_example_tool_loads(tmp_path, text):
    (tmp_path / "example.py").write_text(text)
    errors: list[object] = []
    assert sources.from_path(str(tmp_path), errors)
    assert errors == []


def test_the_readmes_example_is_the_quickstarts():
    (example,) = python_blocks(ROOT / "README.md")
    assert example in (ROOT / "docs" / "quickstart.md").read_text()


MADE = "benchmarks/results/"  # what a benchmark writes is in nobody's clone


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_path_that_a_page_names_exists(page):
    named = [path for path in PATH.findall(page.read_text()) if not path.startswith(MADE)]
    assert not [path for path in named if not (ROOT / path).exists()]
