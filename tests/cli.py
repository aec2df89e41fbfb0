"""The command line in the process of a test: what it printed, and its exit code."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from aios.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def aios(capsys: pytest.CaptureFixture[str], tmp_path, monkeypatch) -> Iterator[Callable[..., Answer]]:
    monkeypatch.setenv("AIOS_DATA_DIR", str(tmp_path / "data"))
    root = logging.getLogger()
    before = root.level, root.handlers[:]

    def call(*arguments: str) -> Answer:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        return Answer(int(ended.value.code or 0), printed.out, printed.err)

    yield call
    root.setLevel(before[0])
    root.handlers[:] = before[1]
