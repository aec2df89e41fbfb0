"""The fake of storage does what the real one does, and says what it does not."""

from __future__ import annotations

import pytest

from aios.testing import FakeFiles, NotFaked
from tests.asking import Asking
from tests.files_contract import FilesContract


class TestFakeFiles(FilesContract):
    @pytest.fixture
    def disk(self):
        return Asking(FakeFiles(), "storage")


def test_what_it_does_not_do_is_told_by_name():
    with pytest.raises(NotFaked, match=r"storage\.search: FakeFiles does write, create"):
        Asking(FakeFiles(), "storage")("search", query="x")
