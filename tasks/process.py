"""This process' kernel: one per worker, and one per child of a prefork pool."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aios import garbage
from aios import log as log_format
from aios import settings as settings_module
from aios.bootstrap.kernel import Kernel
from aios.db import recovery
from aios.errors import AiosError, BadMessage, Misconfigured, NotFound
from aios.kernel.ids import parse_id
from aios.kernel.words import Pool
from aios.log import logger
from aios.sdk import loader
from aios.worker.cpu import keep_to_one
from aios.worker.incarnation import Role
from aios.worker.patience import patiently

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

log = logger(__name__)

_LONGEST_ID = 64
_MISCONFIGURED_EXIT = 78  # sysexits.h: EX_CONFIG


class _Amqp(Protocol):
    queues: _Queues


class _Queues(Protocol):
    consume_from: Mapping[str, object]


class _App(Protocol):
    amqp: _Amqp


class CeleryWorker(Protocol):
    """What we use of Celery's WorkController."""

    app: _App
    concurrency: int
    pool_cls: type


class _Process:
    kernel: Kernel | None = None
    lock = threading.Lock()
    told_to_stop = False


def kernel() -> Kernel:
    """The kernel of this process.

    Raises:
        Misconfigured: it has none: a task was called outside a worker.
    """
    if _Process.kernel is None:
        raise Misconfigured("this process has no kernel", "tasks run in a worker; to run an agent use aios.Client")
    return _Process.kernel


def start_worker(instance: CeleryWorker) -> None:
    """Start the kernel of a worker. The parent of a prefork pool executes nothing: it counts, and recovers."""
    # Celery's own handler comes after this: who is told to stop in between would be killed, and leave its row behind.
    signal.signal(signal.SIGTERM, _note_stop)
    pools = tuple(name for name in instance.app.amqp.queues.consume_from if name in set(Pool))
    _start(Role(pools, int(instance.concurrency)))
    settings = kernel().parts.settings.worker
    threads = instance.pool_cls.__module__ == "celery.concurrency.thread"
    bound = settings.profile == "fused" and settings.one_cpu and threads
    if bound and Pool.TOOL not in pools:  # whose processes would inherit it
        keep_to_one()


def start_child() -> None:
    """Start the kernel of a prefork pool's child, when Postgres answers; what its parent had is not its own."""
    _Process.kernel = None
    _start(Role(tuple(pool.value for pool in Pool), 0), patient=True)
    garbage.settle()


def tell_ready() -> None:
    """Tell the supervisor, if there is one, that this worker takes messages; or leave, if that was asked for meanwhile."""
    if _Process.told_to_stop:
        os.kill(os.getpid(), signal.SIGTERM)
    garbage.settle()
    ready_file = kernel().parts.settings.ready_file
    if ready_file:
        Path(ready_file).touch()


def stop() -> None:
    """Give the kernel up."""
    with _Process.lock:
        running, _Process.kernel = _Process.kernel, None
    if running is not None:
        try:
            running.stop()
        except AiosError as error:
            log.warning("stopping: %s", error)


def drain() -> None:
    """Begin to stop: what still runs after the drain time goes back to the queue, and the process ends."""
    if _Process.kernel is not None:
        _Process.kernel.fused.stopping.set()
        seconds = _Process.kernel.parts.settings.worker.drain_seconds
        timer = threading.Timer(max(0.0, seconds - 2), _give_up)
        timer.daemon = True
        timer.start()


def configure_log() -> None:
    """Take the log's level and style from the settings."""
    settings = settings_module.load()
    log_format.configure(level=settings.log_level, style="json" if settings.log_style == "json" else "text")


def id_in(task: str, value: object) -> UUID:
    """The id that a message carries.

    Raises:
        BadMessage: it is none.
    """
    if not isinstance(value, str) or len(value) > _LONGEST_ID:
        raise BadMessage(task, "its argument is no id")
    try:
        return parse_id(value)
    except NotFound:
        raise BadMessage(task, f"{value!r} is no id") from None


def count_refused() -> None:
    """Count a refused message, if that can be done now."""
    try:
        with kernel().parts.database.statement() as tx:
            recovery.count(tx, refused=1)
    except AiosError as error:
        log.warning("not counted: %s", error)


def _start(role: Role, *, patient: bool = False) -> None:
    try:
        settings = settings_module.load()
        drives = Pool.AGENT in role.pools or settings.worker.profile == "fused"
        loaded = loader.load(settings) if drives else []
        programs = loader.programs(loaded)
        role = Role(role.pools, role.concurrency, tuple(programs))
        with _Process.lock:
            _Process.kernel = Kernel(settings, role, programs=programs, told=[item.row() for item in loaded])
            if patient:
                patiently(_Process.kernel.check, what="a child of the pool")
            _Process.kernel.start()
    except AiosError as error:
        log.critical("this worker cannot start: %s", error)
        os._exit(_MISCONFIGURED_EXIT)
    except Exception:
        log.critical("this worker cannot start", exc_info=True)  # Celery would log it and go on without a kernel
        os._exit(_MISCONFIGURED_EXIT)


def _note_stop(*_: object) -> None:
    _Process.told_to_stop = True


def _give_up() -> None:
    if _Process.kernel is not None:
        log.warning("drained no further: what still runs goes back to the queue")
        _Process.kernel.incarnation.die()
