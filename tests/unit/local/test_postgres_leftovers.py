from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aios.local import postgres_leftovers

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("content", ["", "no number\n", "4194305\n/data\n"])
def test_a_lock_file_that_is_nobodys_is_removed(tmp_path: Path, content: str) -> None:
    (tmp_path / "postmaster.pid").write_text(content)
    postgres_leftovers.clear(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()


@pytest.mark.parametrize(
    ("output", "passing"),
    [
        ("FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use", True),
        ('LOG:  could not bind IPv4 address "127.0.0.1": Address already in use', True),
        ('FATAL:  lock file "postmaster.pid" already exists', True),
        ("FATAL:  could not create lock file: Permission denied", False),
        ("PANIC:  could not locate a valid checkpoint record", False),
    ],
)
def test_only_what_goes_away_by_itself_is_tried_again(output: str, passing: bool) -> None:
    assert postgres_leftovers.is_passing(output) is passing
