"""A script's answer that is read later: what else there is to do goes on meanwhile."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import NoScriptError, RedisError

if TYPE_CHECKING:
    from redis.commands.core import Script


class Asked:
    """Runs a script. Whatever goes wrong with the first try shows in a second one, when the answer is wanted."""

    def __init__(self, script: Script, *, keys: list[str], args: list[str]) -> None:
        """Send it."""
        self._script, self._keys, self._args = script, keys, args
        self._pool: Any = script.registered_client.connection_pool  # type: ignore[union-attr]  # no cluster is used
        self._connection: Any = None
        with suppress(RedisError, OSError):
            self._send()

    def _send(self) -> None:
        connection = self._pool.get_connection()
        try:
            connection.send_command("EVALSHA", self._script.sha, len(self._keys), *self._keys, *self._args)
        except BaseException:
            self._pool.release(connection)
            raise
        self._connection = connection

    def answer(self) -> Any:
        """Wait for the answer.

        Raises:
            RedisError: there is none.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(NoScriptError, RedisGone):
                try:
                    return connection.read_response()
                finally:
                    self._pool.release(connection)
        return self._script(keys=self._keys, args=self._args)

    def drop(self) -> None:
        """Nobody wants the answer any more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
            self._pool.release(connection)
