"""What of a kernel runs in which process."""

from __future__ import annotations

import pytest

from aios.bootstrap.kernel import Kernel
from aios.settings import Settings
from aios.worker.incarnation import Role


@pytest.mark.parametrize(
    ("role", "indexes"),
    [
        (Role(("storage",), 1), True),
        (Role(("agent", "llm"), 8), False),
        (Role(("memory", "storage", "tool"), 0), False),  # a pool's child, which does not know what it will be given
    ],
)
def test_a_worker_of_storage_indexes_files_and_no_child_of_a_pool_does(database_url, redis_url, role, indexes):
    kernel = Kernel(Settings(database_url=database_url, redis_url=redis_url), role, programs={})
    assert (kernel._index is not None) == indexes
    kernel.parts.close()
