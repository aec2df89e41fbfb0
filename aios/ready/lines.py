"""Scripts by a connection of each thread's own: a pool looks whether it lives, locks and counts, for each script (ADR 0017)."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from redis import Connection, ConnectionPool
    from redis.commands.core import Script


class Lines:
    """The connections of all threads; one ends with its thread."""

    def __init__(self, pool: ConnectionPool) -> None:
        """Nothing is opened yet.

        Args:
            pool: says how to connect.
        """
        self._pool = pool
        self._thread = threading.local()
        self._open: WeakSet[Connection] = WeakSet()
        self._lock = threading.Lock()

    def run(self, script: Script, *, keys: list[str], args: list[str]) -> Any:
        """A script's answer.

        Raises:
            RedisError: there is none.
        """
        line = self._line()
        try:
            line.send_command("EVALSHA", script.sha, len(keys), *keys, *args)  # type: ignore[no-untyped-call]  # redis has no types there
            return line.read_response()
        except (NoScriptError, RedisGone):  # Redis was restarted since the last one
            return script(keys=keys, args=args)

    def close(self) -> None:
        """Close all of them; a thread that goes on opens its own again."""
        with self._lock:
            for line in list(self._open):
                line.disconnect()  # type: ignore[no-untyped-call]  # as above

    def _line(self) -> Connection:
        line: Connection | None = getattr(self._thread, "line", None)
        if line is None or line.pid != os.getpid():  # a fork's parent goes on with its own
            line = self._thread.line = self._pool.connection_class(**self._pool.connection_kwargs)
            with self._lock:
                self._open.add(line)
        return line
