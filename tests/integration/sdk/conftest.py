"""Agents with journals written by hand, so that a test says exactly what a client finds."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, text

from aios.db.tables import contexts, requests, syscalls
from aios.kernel.ids import new_id
from aios.kernel.ports import Batch, Token
from aios.llm.streams import TokenStreams
from aios.sdk.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

    from aios.db.session import Database


@pytest.fixture
def client(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Client]:
    with Client(database_url=database_url, redis_url=redis_url, data_dir=tmp_path) as opened:
        yield opened


class Journal:
    """One agent and the LLM syscalls that somebody else executes."""

    def __init__(self, client: Client, database: Database, streams: TokenStreams) -> None:
        self.agent = client.submit("echo", "hello")
        self._database = database
        self._streams = streams
        self._seq = 0

    def call(self, *, state: str = "queued", content: str | None = None, attempt: int = 0) -> UUID:
        """A new LLM syscall."""
        self._seq += 1
        request, syscall = new_id(), new_id()
        with self._database.transaction() as tx:
            row = {"id": request, "agent_id": self.agent, "generation": 0, "seq": str(self._seq), "label": "llm.chat"}
            tx.execute(insert(requests).values(**row, digest=b"", pending=1))
            row = {"id": syscall, "agent_id": self.agent, "request_id": request, "position": 0, "pool": "llm"}
            row |= {"op": "chat", "effect": "none", "payload": {}, "priority": 5, "attempt": attempt}
            tx.execute(insert(syscalls).values(**row, state=state))
        if content is not None:
            self.done(syscall, content, attempt=attempt)
        return syscall

    def says(self, syscall: UUID, *texts: str, attempt: int = 1, start: int = 1) -> None:
        """Stream tokens."""
        tokens = [Token(index, 1000 + len(word), word) for index, word in enumerate(texts, start)]
        self._streams.send([Batch(syscall, attempt, tokens)])

    def stops(self, syscall: UUID, reason: str = "done", *, attempt: int = 1) -> None:
        """Stream the end of an attempt."""
        self._streams.send([Batch(syscall, attempt, (), reason)])

    def done(self, syscall: UUID, content: str, *, attempt: int = 1) -> None:
        """Commit the answer."""
        digest = hashlib.sha256(f"{syscall}{content}".encode()).digest()
        message = {"role": "assistant", "content": content}
        with self._database.transaction() as tx:
            tx.execute(insert(contexts).values(digest=digest, messages=[message], length=1))
            self._settle(tx, syscall, state="done", context=digest, attempt=attempt)

    def failed(self, syscall: UUID) -> None:
        """Commit that there is none."""
        with self._database.transaction() as tx:
            self._settle(tx, syscall, state="failed", context=None, attempt=1)

    def ends(self, state: str = "done") -> None:
        """End the agent."""
        with self._database.transaction() as tx:
            tx.execute(
                text("UPDATE agents SET state = :state, finished_at = clock_timestamp() WHERE id = :id"),
                {"state": state, "id": self.agent},
            )

    @staticmethod
    def _settle(tx, syscall, **values) -> None:
        tx.execute(syscalls.update().where(syscalls.c.id == syscall).values(**values))


@pytest.fixture
def streams(client: Client) -> Iterator[TokenStreams]:
    opened = TokenStreams(client.settings.streams, settings=client.settings.llm)
    yield opened
    opened.close()


@pytest.fixture
def journal(client: Client, database: Database, streams: TokenStreams) -> Journal:
    return Journal(client, database, streams)
