"""What becomes of a program's folder that does not load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aios.sdk import loader
from aios.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "last_line"),
    [
        ("import sys\nsys.exit('no key')\n", "SystemExit: no key"),
        ("x = 1\ndef broken(:\n", "SyntaxError: invalid syntax (agent.py, line 2)"),
        ("raise ValueError('one\\ntwo')\n", "ValueError: one two"),
        (
            "from aios import program\n@program\ndef spoilt(agent, task): ...\n",
            "invalid program 'spoilt': declare it with `async def`",
        ),
    ],
)
def test_a_file_that_does_not_load_says_why_in_its_last_line_and_spoils_only_itself(
    tmp_path: Path, text: str, last_line: str
) -> None:
    (tmp_path / "spoilt").mkdir()
    (tmp_path / "spoilt" / "agent.py").write_text(text)
    loaded = {item.name: item for item in loader.load(Settings(agents_path=str(tmp_path)))}
    assert loaded["spoilt"].error.splitlines()[-1] == last_line
    assert loaded["echo"].program is not None
