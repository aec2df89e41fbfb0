"""Celery's consumer with one difference: a message that cannot be read is refused and counted, whatever is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.worker.consumer import Consumer as CeleryConsumer

from aios.broker import MALFORMED, message_refused
from aios.errors import BadMessage
from aios.log import logger
from tasks import process

if TYPE_CHECKING:
    from collections.abc import Callable

log = logger(__name__)


class Consumer(CeleryConsumer):  # type: ignore[misc]  # celery has no types
    """Survives any message."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """What handles each message: Celery's handler, behind a check, and what it does not catch."""
        handle = super().create_task_handler(*args, **kwargs)

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
