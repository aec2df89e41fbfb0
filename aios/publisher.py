"""The publisher: a granted bell becomes one Celery chain, published by task name on its pools' queues.

`aios` never imports `tasks`: a client that submits needs no worker code. A message holds ids only; Postgres is the truth,
the message is a doorbell.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from celery import Celery, chain
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from aios import broker
from aios.envelope import envelope
from aios.errors import BrokerUnavailable
from aios.kernel.words import LEAST_URGENT, Pool
from aios.ready import Bell, where

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from celery.canvas import Signature

    from aios.kernel.values import JsonObject

BROKER_OPTIONS: Final = {
    "priority_steps": list(range(LEAST_URGENT + 1)),  # 0 is the most urgent, strictly served first
    "sep": ":",
    "queue_order_strategy": "priority",
    "ack_emulation": False,  # a message is a doorbell: a lost one rings again, so no copy of it is kept (ADR 0007)
    "global_keyprefix": "aios:q:",
    "socket_timeout": 15,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
}


def task_name(pool: str, op: str) -> str:
    """`aios.<pool>.<verb>`: explicit and stable, since messages outlive processes."""
    return f"aios.{pool}.{op}"


class Publisher:
    """Publishes bells. Its Celery app knows no tasks."""

    def __init__(self, url: str) -> None:
        broker.mend()
        self._where = where(url)
        self._app = Celery("aios-publisher", broker=url, set_as_current=False)
        self._app.conf.update(
            broker_transport_options=BROKER_OPTIONS,
            broker_connection_retry=False,
            task_ignore_result=True,
            task_serializer="json",
            worker_send_task_events=False,
            task_send_sent_event=False,
        )

    def rings(self) -> tuple[str, str]:
        """What a script in the same Redis needs to publish by itself: a message with marks, and the prefix of the queues."""
        return envelope(self._app), str(BROKER_OPTIONS["global_keyprefix"])

    def publish(self, bells: Iterable[Bell]) -> None:
        """Publish each bell's chain.

        Raises:
            BrokerUnavailable: Redis does not answer; recovery rings again.
        """
        with self._translated(), self._app.producer_pool.acquire(block=True) as producer:
            for bell in bells:
                if len(bell.links) == 1:
                    pool, op, call = bell.links[0]
                    self._app.send_task(
                        task_name(pool, op), (call,), producer=producer, queue=pool, priority=bell.priority, retry=False
                    )
                else:
                    self._chain(bell).apply_async(producer=producer, priority=bell.priority, retry=False)

    def _chain(self, bell: Bell) -> Signature:
        links = [
            self._app.signature(task_name(pool, op), args=(call,), queue=pool, priority=bell.priority, immutable=True)
            for pool, op, call in bell.links
        ]
        return chain(*links, app=self._app)

    def close(self) -> None:
        """Close the connections."""
        self._app.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (KombuError, RedisError, OSError) as error:
            raise BrokerUnavailable(self._where, str(error) or type(error).__name__) from error


def queues() -> JsonObject:
    """Celery's routing of task names to queues: a pool's tasks go to the pool's queue."""
    return {f"aios.{pool.value}.*": {"queue": pool.value} for pool in Pool}
