"""Ready sets on the run's Redis, and what stands in them."""

from __future__ import annotations

import pytest

from aios.kernel.keys import pool_of
from aios.kernel.policy import Payer
from aios.kernel.scheduling import policy
from aios.ready import Bell, ReadySets
from aios.ready.sets import rules


@pytest.fixture
def ready(redis_url):
    made = ReadySets(redis_url, lease_seconds=60)
    begin(made, policy("las"), "las")
    yield made
    made.close()


def begin(ready, chosen, name):
    """Empty sets under a policy; no pool may grant anything."""
    ready.clear(rules(name, chosen))
    ready.limit({"llm": 0, "tool": 0}, whole=True)
    ready.open()


def bell(number, *, root="a", tenant="x", priority=5, age=0.0, estimate=1.0, key="llm", **more):
    """The bell of syscall `number`."""
    id_ = f"{number:04}"
    payer = Payer(root, tenant, "p")
    return Bell(key, id_, ((pool_of(key), "chat", id_),), priority, payer, age, estimate, **more)


def ids(granted):
    """What a turn granted, in order."""
    return [one.id for one in granted.bells]
