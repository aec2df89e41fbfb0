"""Celery's consumer with two differences.

A message that cannot be read is refused and counted, whatever is wrong with it. And a loop that found no thread free is woken
by the first one that is: a worker takes no message for which it has no thread (`worker_disable_prefetch`), and Celery itself
would look once a second whether it has one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.concurrency.thread import TaskPool as Threads
from celery.worker.consumer import Consumer as CeleryConsumer

from aios.broker import MALFORMED, message_refused
from aios.errors import BadMessage
from aios.log import logger
from tasks import process

if TYPE_CHECKING:
    from collections.abc import Callable

log = logger(__name__)


class Consumer(CeleryConsumer):  # type: ignore[misc]  # celery has no types
    """Survives any message, and takes the next one as soon as a thread is free."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        threads = isinstance(self.pool, Threads) and self.hub is not None
        self._room = Room(self.pool, self.hub) if threads else None

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """What handles each message: Celery's handler, behind a check, and what it does not catch."""
        handle = super().create_task_handler(*args, **kwargs)
        if self._room is not None:
            self._room.watch(self.task_consumer.channel.qos)

        def handled(message: Any) -> Any:
            try:
                _check(message)
            except Exception as error:  # noqa: BLE001  # whatever somebody's bytes can raise
                return self._refuse(message, error)
            try:
                return handle(message)
            except MALFORMED as error:
                return self._refuse(message, error)

        return handled

    def _refuse(self, message: Any, error: Exception) -> None:
        why = f"{type(error).__name__}: {error}"[:200]
        log.warning("refused a message: %s", why)
        message.reject_log_error(log, self.connection_errors)
        message_refused.send(sender=None, why=why)


class Room:
    """Whether the loop waits for a thread; if so, one that has ended its task wakes it. Each turn in vain costs 0.1 ms."""

    def __init__(self, pool: Any, hub: Any) -> None:
        self._hub = hub
        self._awaited = False
        apply = pool.on_apply

        def on_apply(*args: Any, **kwargs: Any) -> Any:
            result = apply(*args, **kwargs)
            result.f.add_done_callback(self._wake)
            return result

        pool.on_apply = on_apply

    def watch(self, qos: Any) -> None:
        """Note what the loop finds when it asks a new connection's channel whether it may take a message."""
        can_consume = qos.can_consume

        def noted() -> bool:
            self._awaited = True  # before it looks: a thread that ends meanwhile sees this
            self._awaited = not can_consume()
            return not self._awaited

        qos.can_consume = noted

    def _wake(self, _done: object) -> None:
        if self._awaited:
            self._hub.call_soon(_look)


def _look() -> None:
    """Nothing: each turn of the loop begins with a look whether there is room."""


def _check(message: Any) -> None:
    """The body is small, and holds positional and named arguments and Celery's own part.

    Raises:
        BadMessage: it is too long.
        Exception: it is of no such form.
    """
    limit = process.kernel().parts.settings.limits.message_bytes
    if len(message.body or b"") > limit:
        raise BadMessage(str(message.headers["task"])[:64], f"its body is longer than {limit} bytes")
    positional, named, _ = message.payload
    if not isinstance(positional, list) or not isinstance(named, dict):
        raise BadMessage(str(message.headers["task"])[:64], "it holds no arguments")
    if message.headers.get("eta") is not None:
        raise BadMessage(str(message.headers["task"])[:64], "it wants to wait in a worker's memory (eta)")
