"""The rules as one process knows them: read again when a claim tells of a newer version."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from aios.db import access
from aios.kernel.access import Book

if TYPE_CHECKING:
    from aios.db.session import Database


class RuleCache:
    """Implements the kernel's `Rules` on Postgres. While nobody was ever granted anything it asks nothing at all."""

    def __init__(self, database: Database) -> None:
        """Read nothing before the first claim that tells of rules."""
        self._database = database
        self._lock = threading.Lock()
        self._book = Book()

    def book(self, version: int) -> Book:
        """The rules of this version or a newer one.

        Raises:
            DatabaseUnavailable: they have to be read, and Postgres does not answer.
        """
        book = self._book
        if book.version >= version:
            return book
        with self._lock:
            if self._book.version < version:
                with self._database.statement() as tx:
                    self._book = access.book(tx)
            return self._book
