"""Scripts by a connection of each thread's own: a pool looks whether it lives, locks and counts, for each script (ADR 0017)."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import NoScriptError, RedisError

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
        return Asked(self, script, keys=keys, args=args).answer()

    def take(self) -> Connection:
        """This thread's connection, until it is given back; if it is lent already, one more."""
        line: Connection | None = getattr(self._thread, "line", None)
        self._thread.line = None
        if line is None or line.pid != os.getpid():  # a fork's parent goes on with its own
            line = self._pool.connection_class(**self._pool.connection_kwargs)
            with self._lock:
                self._open.add(line)
        return line

    def give(self, line: Connection) -> None:
        """The thread that took it needs it no longer."""
        if getattr(self._thread, "line", None) is None:
            self._thread.line = line
        else:
            line.disconnect()  # type: ignore[no-untyped-call]  # redis has no types there

    def close(self) -> None:
        """Close all of them; a thread that goes on opens its own again."""
        with self._lock:
            for line in list(self._open):
                line.disconnect()  # type: ignore[no-untyped-call]  # as above


class Asked:
    """A script that runs while its thread does something else; all of it is one thread's.

    Whatever goes wrong with the first try shows in a second one, by the pool, when the answer is wanted: Redis was restarted
    since, or has forgotten the script.
    """

    def __init__(self, lines: Lines, script: Script, *, keys: list[str], args: list[str]) -> None:
        """Send it."""
        self._lines, self._script, self._keys, self._args = lines, script, keys, args
        self._line: Connection | None = lines.take()
        try:
            self._line.send_command("EVALSHA", script.sha, len(keys), *keys, *args)  # type: ignore[no-untyped-call]  # as above
        except (RedisError, OSError):
            self.drop()

    def answer(self) -> Any:
        """Wait for the answer.

        Raises:
            RedisError: there is none.
        """
        line, self._line = self._line, None
        if line is not None:
            with suppress(NoScriptError, RedisGone):
                try:
                    return line.read_response()
                finally:
                    self._lines.give(line)
        return self._script(keys=self._keys, args=self._args)

    def drop(self) -> None:
        """Nobody wants the answer any more."""
        line, self._line = self._line, None
        if line is not None:
            line.disconnect()  # type: ignore[no-untyped-call]  # as above
            self._lines.give(line)
