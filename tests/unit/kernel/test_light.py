"""Which plans are light: one syscall, that may run now, on memory or files, without a limit and with nobody to be asked."""

from dataclasses import replace

import pytest

from aios.kernel.light import is_light
from aios.kernel.plan import Call
from aios.kernel.words import Pool, SyscallState

WRITE = Call(Pool.MEMORY, "write", {}, state=SyscallState.QUEUED)


def test_a_write_that_may_run_now_is_light():
    assert is_light((WRITE,))
    assert is_light((replace(WRITE, pool=Pool.STORAGE, op="append"),))


@pytest.mark.parametrize(
    "plan",
    [
        (),
        (WRITE, replace(WRITE, state=SyscallState.BLOCKED)),
        (replace(WRITE, op="add"),),  # it embeds
        (replace(WRITE, pool=Pool.TOOL, op="call"),),
        (replace(WRITE, state=SyscallState.WAITING),),
        (replace(WRITE, limit_key="memory:mine"),),
        (replace(WRITE, approval={"kind": "delete_own"}),),
    ],
)
def test_anything_else_is_not(plan):
    assert not is_light(plan)
