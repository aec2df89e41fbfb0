"""The Celery app, and the life of a worker process: it gets its kernel before the first task and gives it up at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import Celery, signals
from celery.exceptions import Ignore

from aios import broker
from aios.errors import AiosError, BadMessage, Ignored
from aios.log import logger
from aios.publisher import task_name
from tasks import announce, process

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery.app.task import Task

    from aios.kernel.words import Pool

log = logger(__name__)

broker.mend()
app = Celery("aios", set_as_current=True, task_cls="tasks.doorbell:Doorbell")
app.config_from_object("config.celeryconfig")


def serve(pool: Pool, **operations: str) -> None:
    """Register a task for each operation of a pool, under the name that messages carry: `aios.<pool>.<operation>`.

    Args:
        pool: the pool.
        **operations: what each does, in one line: Flower and `celery inspect registered` show it.
    """
    for operation, summary in operations.items():
        app.task(name=task_name(pool.value, operation), bind=True)(_execution(pool.value, summary))


def _execution(pool: str, summary: str) -> Callable[[Task, str], None]:
    def execute(self: Task, syscall: str) -> None:
        chained = bool(self.request.chain)
        _answer(lambda: process.kernel().execution.run(process.id_in(self.name, syscall), pool=pool, chained=chained))

    execute.__doc__ = summary
    return execute


def resume(task: Task, agent: str) -> None:
    """Drive the agent that a message names."""
    _answer(lambda: process.kernel().drive.run(process.id_in(task.name, agent)))


def _answer(work: Callable[[], None]) -> None:
    try:
        process.kernel().fused.run(work, announced=announce.step)
    except Ignored:
        raise Ignore from None
    except BadMessage as error:
        log.warning("%s", error)
        broker.message_refused.send(sender=None, why=str(error))
        raise Ignore from None
    except AiosError as error:  # before anything was claimed: the bell rings again
        log.warning("%s", error)
        raise Ignore from None


@signals.setup_logging.connect  # type: ignore[untyped-decorator]  # celery has no types
def _log(**_: object) -> None:
    process.configure_log()


@signals.celeryd_after_setup.connect  # type: ignore[untyped-decorator]  # celery has no types
def _start(instance: process.CeleryWorker, **_: object) -> None:
    process.start_worker(instance)


@broker.message_refused.connect  # type: ignore[untyped-decorator]  # celery has no types
@signals.task_unknown.connect  # type: ignore[untyped-decorator]  # celery has no types
@signals.task_rejected.connect  # type: ignore[untyped-decorator]  # celery has no types
def _count_refused(**_: object) -> None:
    process.count_refused()


@signals.worker_ready.connect  # type: ignore[untyped-decorator]  # celery has no types
def _tell_ready(sender: Any, **_: object) -> None:
    announce.follow(sender)
    process.tell_ready()


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]  # celery has no types
def _start_child(**_: object) -> None:
    process.start_child()


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]  # celery has no types
def _drain(**_: object) -> None:
    process.drain()


@signals.worker_process_shutdown.connect  # type: ignore[untyped-decorator]  # celery has no types
@signals.worker_shutdown.connect  # type: ignore[untyped-decorator]  # celery has no types
def _stop(**_: object) -> None:
    process.stop()
