"""Kombu's Redis transport, mended where one message, or one restart of Redis, ends a worker process, and made cheaper.

1. A channel that closes while a reply is on its way asks its connection for a client that is gone: an AttributeError,
   which the consumer takes for a bug of its own and ends. It is a lost connection, and is called that here.
2. What stands on a queue and is no message (no JSON, no envelope) ends the consumer as well. It is refused here.
3. A client is made for every acknowledgement and every publication. One per channel is enough.

All were seen with kombu 5.7.0 and celery 5.7.0; the acceptance tests keep watch.
"""

from __future__ import annotations

from queue import Empty
from typing import Any, Final, NoReturn

from celery.utils.dispatch import Signal
from kombu.transport import TRANSPORT_ALIASES, redis, virtual
from redis.exceptions import ConnectionError as RedisConnectionError

from aios.log import logger

log = logger(__name__)

MALFORMED: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading somebody's message may raise."""

_UNREADABLE: Final = (ValueError, RecursionError)

message_refused = Signal(name="message_refused", providing_args={"why"})
"""Sent when something on a queue is refused."""


class _NoMessage(ValueError):
    """It is JSON, but no envelope."""


class Message(virtual.Message):
    """A message as it was read from a queue."""

    def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
        try:
            super().__init__(payload, channel=channel, **kwargs)
            (
                self.delivery_info["exchange"],
                self.delivery_info["routing_key"],
            )  # read when it is stored as unacknowledged
        except MALFORMED as error:
            raise _NoMessage(f"{type(error).__name__}: {error}") from error


class Channel(redis.Channel):
    """A channel that survives bad messages and its own end."""

    Message = Message
    _kept: Any = None

    def _connparams(self, *args: Any, **kwargs: Any) -> Any:
        if getattr(self.connection, "client", None) is None:
            raise RedisConnectionError("the channel is closed")
        return super()._connparams(*args, **kwargs)

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002  # kombu's signature
        """Keep one client per pool: kombu makes one per acknowledgement, at 0.15 ms each, and it is thread-safe."""
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()
        return self._kept

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except _UNREADABLE as error:  # before anybody had the message: it was no JSON, or no envelope
            self._refuse(error)

    def _receive(self) -> Any:
        try:
            return super()._receive()
        except _UNREADABLE as error:
            self._refuse(error)

    def _refuse(self, error: Exception) -> NoReturn:
        log.warning("refused what is no message: %s", str(error)[:200])
        message_refused.send(sender=None, why=str(error))
        raise Empty from None


class Transport(redis.Transport):
    """Kombu's Redis transport with our channel."""

    Channel = Channel


def mend() -> None:
    """Let every Redis connection that kombu opens in this process use the mended transport."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
