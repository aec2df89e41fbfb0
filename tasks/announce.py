"""Events of work that had no message (the profile `fused`), so that Flower sees it like any task."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aios.kernel.ids import new_token
from aios.publisher import task_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aios.ready import Bell


class _Consumer:
    now: Any = None


def follow(consumer: Any) -> None:
    """Send events where this consumer sends its own: nowhere, unless somebody has asked for them."""
    _Consumer.now = consumer


@contextmanager
def step(bell: Bell) -> Iterator[None]:
    """Announce one step while it is done."""
    dispatcher = getattr(_Consumer.now, "event_dispatcher", None)
    if dispatcher is None or not dispatcher.enabled:
        yield
        return
    pool, op, member = bell.links[0]
    uuid, began = str(new_token()), time.monotonic()
    dispatcher.send(
        "task-received", uuid=uuid, name=task_name(pool, op), args=f"({member!r},)", kwargs="{}", retries=0, eta=None
    )
    dispatcher.send("task-started", uuid=uuid)
    yield
    dispatcher.send("task-succeeded", uuid=uuid, result="None", runtime=time.monotonic() - began)
