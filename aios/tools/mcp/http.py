"""A server somewhere else, spoken to by streamable HTTP; what it answers is bounded."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
from mcp.client.streamable_http import streamable_http_client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from mcp.client._transport import TransportStreams


class _Bounded(httpx2.AsyncByteStream):
    """A body that breaks off beyond its limit."""

    def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
        self._stream, self._left = stream, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._left -= len(piece)
            if self._left < 0:
                raise httpx2.ReadError("the answer is too long")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


class _BoundedTransport(httpx2.AsyncHTTPTransport):
    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # Identity: a compressed body could unpack to any size.
        request.headers["accept-encoding"] = "identity"
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        # A stream of events may stay open for days: its events are bounded one by one, by the SDK.
        if "event-stream" not in response.headers.get("content-type", ""):
            response.stream = _Bounded(response.stream, self._most)
        return response


@asynccontextmanager
async def http_transport(
    url: str, *, headers: Mapping[str, str], message_bytes: int, seconds: float
) -> AsyncGenerator[TransportStreams]:
    """The streams of a connection to a server's endpoint.

    Args:
        url: the endpoint.
        headers: sent with each request, as for a key.
        message_bytes: a longer answer ends in an error.
        seconds: to connect, and between two pieces of an answer.
    """
    client = httpx2.AsyncClient(
        transport=_BoundedTransport(message_bytes), headers=dict(headers), timeout=seconds, trust_env=False
    )
    async with client, streamable_http_client(url, http_client=client, max_sse_event_size=message_bytes) as streams:
        yield streams
