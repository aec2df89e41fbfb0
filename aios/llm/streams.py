"""Token streams: one Redis stream per syscall, written while its answer is generated, for anybody who wants to watch.

Every token has an explicit id, `<attempt>-<index>`. An entry holds a batch of tokens under the id of its last one; Redis
refuses an id below the newest, so the tokens of a stale attempt can never stand between those of a newer one. Streams are
bounded and expire, soon after the end: even a short one takes Redis 4 KB, and the journal has the whole answer, so that
losing a stream loses nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import redis
from redis.exceptions import RedisError, ResponseError

from aios.errors import BrokerUnavailable
from aios.kernel.values import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self
    from uuid import UUID

    from redis.client import Pipeline

    from aios.kernel.ports import Batch, Token
    from aios.settings import LLMSettings

END_INDEX: Final = 2**63 - 1  # the end of an attempt sorts behind its tokens, and before the next attempt
_SECONDS: Final = 1.0
_STALE: Final = "equal or smaller"


@dataclass(frozen=True, order=True)
class Position:
    """Where a token stands: its attempt and its index, from 1; 0 is before the first."""

    attempt: int
    index: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """A position as its text says; an empty one is before everything."""
        attempt, _, index = (text or "0-0").partition("-")
        return cls(int(attempt), int(index or 0))

    def __str__(self) -> str:
        """As Redis writes an id."""
        return f"{self.attempt}-{self.index}"


@dataclass(frozen=True)
class Entry:
    """What one entry of a stream says: tokens (id and text), or why an attempt ended, and behind which token (-1: not told)."""

    at: Position
    tokens: tuple[tuple[int, str], ...] = ()
    end: str = ""
    last: int = -1


def key(syscall: UUID) -> str:
    """The name of a syscall's stream in Redis."""
    return f"aios:tokens:{syscall}"


def encode(tokens: Sequence[Token]) -> dict[str, str]:
    """The fields of an entry. A special token (the end of the text) has no text of its own."""
    pairs = [[token.id, "" if token.special else token.text] for token in tokens]
    return {"tokens": clean(json.dumps(pairs, ensure_ascii=False, separators=(",", ":")))}


def decode(id: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    """What `encode` wrote."""
    at = Position.parse(id.decode())
    if b"end" in fields:
        return Entry(at, end=fields[b"end"].decode(), last=int(fields.get(b"last", -1)))
    return Entry(at, tokens=tuple((int(i), str(text)) for i, text in json.loads(fields[b"tokens"])))


class TokenStreams:
    """Writes token streams. Its calls block for a second at most, so that a sick Redis does not hold up an answer."""

    def __init__(self, url: str, *, settings: LLMSettings) -> None:
        self._client = redis.Redis.from_url(
            url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS, retry=None, retry_on_timeout=False
        )
        self._where = place(self._client)
        self._expire_seconds = int(settings.stream_seconds)
        self._linger_seconds = min(self._expire_seconds, int(settings.stream_linger_seconds))
        self._entries = settings.stream_tokens

    def send(self, batches: Sequence[Batch]) -> None:
        """Append each to its stream, all in one round trip; those of a stale attempt are dropped.

        Raises:
            BrokerUnavailable: Redis does not take them.
        """
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for batch in batches:
                    self._append(pipe, batch)
                answers = pipe.execute(raise_on_error=False)
        except RedisError as error:
            raise BrokerUnavailable(self._where, str(error)) from error
        refused = next((a for a in answers if isinstance(a, RedisError) and not _is_stale(a)), None)
        if refused is not None:
            raise BrokerUnavailable(self._where, str(refused)) from refused

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _append(self, pipe: Pipeline, batch: Batch) -> None:
        name, tokens = key(batch.syscall), batch.tokens
        if tokens:
            self._add(pipe, name, Position(batch.attempt, tokens[-1].index), encode(tokens))
        if batch.end:
            self._add(pipe, name, Position(batch.attempt, END_INDEX), {"end": batch.end, "last": str(batch.last)})
        if batch.end == "done":  # what failed may be stale
            pipe.expire(name, self._linger_seconds)
        elif batch.end or (tokens and tokens[0].index == 1):
            pipe.expire(name, self._expire_seconds)

    def _add(self, pipe: Pipeline, name: str, at: Position, fields: dict[str, str]) -> None:
        pipe.xadd(name, fields, id=str(at), maxlen=self._entries, approximate=True)  # type: ignore[arg-type]  # invariant there


def place(client: redis.Redis) -> str:
    """Host and port of a client's server, without its password, for messages."""
    known = client.connection_pool.connection_kwargs
    return str(known.get("path") or f"{known.get('host', 'localhost')}:{known.get('port', 6379)}")


def _is_stale(error: RedisError) -> bool:
    return isinstance(error, ResponseError) and _STALE in str(error)
