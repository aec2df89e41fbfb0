"""The examples of docs/howto/testing.md: its files as they stand, and its tests run."""

from __future__ import annotations

import importlib
import re
import sys

import pytest

from aios.settings import app_dir

PAGE = (app_dir() / "docs" / "howto" / "testing.md").read_text()
FILES = dict(re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "my_agents"]:
        del sys.modules[name]


def test_the_examples_pass(project):
    ran = []
    for name in FILES:
        module = importlib.import_module(name.removesuffix(".py").replace("/", "."))
        for test in [test for test in vars(module) if test.startswith("test_")]:
            getattr(module, test)()
            ran.append(test)
    assert ran == re.findall(r"^def (test_\w+)", PAGE, re.MULTILINE)
    assert len(ran) == 4
