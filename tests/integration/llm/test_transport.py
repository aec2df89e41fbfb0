"""The transport against servers that behave, and that do not."""

import asyncio
from contextlib import asynccontextmanager

import httpx2
import pytest

from aios.llm.connection import Connection

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server:
    """Sends the given bytes for each request; counts connections and keeps the requests."""

    def __init__(self, *answers, close=False):
        self.answers = list(answers)
        self.close = close
        self.connections = 0
        self.left = asyncio.Event()
        self.requests = []

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while self.answers:
                self.requests.append(await self.request(reader))
                writer.write(self.answers.pop(0))
                await writer.drain()
                if self.close:
                    break
            else:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.left.set()
            writer.close()

    async def request(self, reader):
        block = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(x.split(b":")[1]) for x in block.lower().split(b"\r\n") if x.startswith(b"content-length")), 0
        )
        return block + await reader.readexactly(length)


@asynccontextmanager
async def serving(server, **seconds):
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    client = Connection(url=url, **{"connect_seconds": 1.0, "token_seconds": 1.0, **seconds})
    try:
        yield client, url
    finally:
        await client.aclose()
        listening.close()


def run(server, use, **seconds):
    async def main():
        async with serving(server, **seconds) as (client, url):
            return await use(client, url)

    return asyncio.run(main())


def test_a_connection_serves_one_request_after_another():
    async def use(client, url):
        return [(await client.post(url + "/x", json={"a": i})).text for i in range(3)]

    server = Server(OK, OK, OK)
    assert run(server, use) == ["ok"] * 3
    assert server.connections == 1
    assert server.requests[2].startswith(b"POST /x HTTP/1.1\r\n")
    assert server.requests[2].endswith(b'{"a":2}')


def test_a_connection_that_the_engine_closed_meanwhile_is_not_used_again():
    async def use(client, url):
        first = await client.get(url)
        await server.left.wait()
        ((line,),) = client._transport._idle.values()
        await line.reader.read()  # the engine's farewell has come
        return first.text, (await client.get(url)).text

    server = Server(OK, OK, close=True)
    assert run(server, use) == ("ok", "ok")
    assert server.connections == 2


def test_a_farewell_on_an_idle_connection_is_nobodys_answer():
    """A 408 and the end, as HAProxy, AWS's ALB and Apache send them."""

    class Farewell(Server):
        async def request(self, reader):
            if self.connections == 1 and self.requests:  # the second one on the first connection does not come
                await asyncio.sleep(0.1)
                self.writer.write(b"HTTP/1.1 408 Request Time-out\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                raise ConnectionError
            return await super().request(reader)

        async def serve(self, reader, writer):
            self.writer = writer
            await super().serve(reader, writer)

    async def use(client, url):
        first = await client.get(url)
        await server.left.wait()
        await asyncio.sleep(0.1)
        return first.status_code, (await client.get(url)).status_code

    server = Farewell(OK, OK, OK)
    assert run(server, use) == (200, 200)
    assert server.connections == 2


def test_an_answer_left_in_the_middle_closes_its_connection():
    async def use(client, url):
        async with client.stream("GET", url) as response:
            assert response.status_code == 200
        await server.left.wait()
        return True

    server = Server(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart")
    assert asyncio.run(asyncio.wait_for(asyncio.to_thread(run, server, use), 5))


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil closed", "until closed"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, "ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
    ],
)
def test_every_kind_of_body_is_read(answer, text):
    async def use(client, url):
        return (await client.get(url)).text

    assert run(Server(answer, close=True), use) == text


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-le", httpx2.RemoteProtocolError),
        (b"SSH-2.0-OpenSSH\r\n\r\n", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nx: " + b"x" * 200_000 + b"\r\n\r\n", httpx2.RemoteProtocolError),
    ],
)
def test_a_broken_answer_is_an_error_of_the_protocol(answer, kind):
    async def use(client, url):
        with pytest.raises(kind):
            await client.get(url)

    run(Server(answer, close=True), use)


def test_silence_is_a_timeout():
    async def use(client, url):
        with pytest.raises(httpx2.ReadTimeout):
            await client.get(url)

    run(Server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart"), use, token_seconds=0.1)


def test_no_header_can_carry_another_request():
    async def use(client, url):
        with pytest.raises(httpx2.LocalProtocolError):
            await client.get(url, headers={"x-aios-syscall": "1\r\nx: y"})

    server = Server(OK)
    run(server, use)
    assert server.requests == []
