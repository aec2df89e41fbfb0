"""The contract that the fake of storage keeps, on Postgres."""

from __future__ import annotations

import pytest

from aios.storage.executor import StorageExecutor
from tests.asking import Asking
from tests.files_contract import FilesContract
from tests.integration.storage.disk import Disk


class TestStorageExecutor(FilesContract):
    @pytest.fixture
    def disk(self, common_database):
        agent = Disk(common_database).id
        return Asking(StorageExecutor(), "storage", agent=agent, transaction=common_database.transaction)
