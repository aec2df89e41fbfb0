"""Reading HTTP/1.1 answers: the head, and the three ways in which a body ends. Pure: bytes in, bytes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

_LONGEST_SIZE: Final = 256  # a chunk's size line, extensions included
_EMPTY: Final = frozenset({204, 304})


class Malformed(ValueError):
    """These bytes are no HTTP/1.1."""


@dataclass(frozen=True)
class Head:
    """Status and headers of an answer; header names are in lower case."""

    status: int
    headers: list[tuple[bytes, bytes]]
    keeps_alive: bool

    def body(self) -> Body:
        """What reads the body that follows."""
        known = dict(self.headers)
        if self.status in _EMPTY:
            return Sized(0)
        if b"chunked" in known.get(b"transfer-encoding", b"").lower():
            return Chunked()
        length = known.get(b"content-length")
        if length is None:
            return UntilClosed()
        if not length.isdigit():
            raise Malformed(f"content-length {length!r}")
        return Sized(int(length))


def head(block: bytes) -> Head:
    """The head of an answer, without its empty line.

    Raises:
        Malformed: it is none.
    """
    first, *lines = block.split(b"\r\n")
    version, _, rest = first.partition(b" ")
    status = rest[:3]
    if not version.startswith(b"HTTP/1.") or not status.isdigit():
        raise Malformed(f"status line {first[:80]!r}")
    headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon:
            raise Malformed(f"header {line[:80]!r}")
        headers.append((name.lower(), value.strip()))
    connection = dict(headers).get(b"connection", b"").lower()
    return Head(int(status), headers, keeps_alive=version == b"HTTP/1.1" and b"close" not in connection)


class Body(Protocol):
    """Takes the bytes that come, gives those of the body.

    Attributes:
        done: the body is complete.
        reusable: the connection can serve another request then.
    """

    done: bool
    reusable: bool

    def feed(self, data: bytes) -> bytes:
        """The body's bytes in `data`."""
        ...


class Sized:
    """A body with a Content-Length."""

    reusable = True

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0

    def feed(self, data: bytes) -> bytes:
        """The body's bytes in `data`."""
        if len(data) > self._left:
            raise Malformed("more bytes than its content-length says")
        self._left -= len(data)
        self.done = self._left == 0
        return data


class UntilClosed:
    """A body that ends with its connection."""

    reusable = False
    done = False

    def feed(self, data: bytes) -> bytes:
        """All of it."""
        return data


class Chunked:
    """A body in chunks, each with its size in front; one of size 0 ends it."""

    reusable = True

    def __init__(self) -> None:
        self._rest = b""
        self._left = 0  # of the current chunk and its line end
        self._trailer = False
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """The body's bytes in `data`.

        Raises:
            Malformed: these are no chunks.
        """
        data = self._rest + data if self._rest else data
        at, parts = 0, []
        while not self.done:
            if self._left > 0:
                piece = data[at : at + self._left]
                if not piece:
                    break
                at += len(piece)
                parts.append(piece[: max(0, self._left - 2)])
                self._left -= len(piece)
                continue
            end = data.find(b"\r\n", at)
            if end < 0:
                break
            self._line(data[at:end])
            at = end + 2
        self._rest = data[at:]
        if (self.done and self._rest) or len(self._rest) > _LONGEST_SIZE:
            raise Malformed(f"chunk {self._rest[:40]!r}")
        return b"".join(parts)

    def _line(self, line: bytes) -> None:
        if self._trailer:
            self.done = not line
            return
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError as error:
            raise Malformed(f"chunk size {line[:40]!r}") from error
        if size < 0:
            raise Malformed(f"chunk size {line[:40]!r}")
        self._trailer = size == 0
        self._left = size + 2 if size else 0
