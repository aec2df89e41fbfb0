"""A server as a process of ours, spoken to through its standard input and output; whatever it does, it costs us little.

The SDK's own transport reads a line of any length into memory and leaves the server running when its parent is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from importlib import resources
from typing import TYPE_CHECKING, Final

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from anyio.abc import Process
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

_GRACE_SECONDS: Final = 1.0
_BROKEN: Final = (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError, OSError)


@asynccontextmanager
async def stdio_transport(
    command: Sequence[str], *, environment: Mapping[str, str], message_bytes: int, on_end: Callable[[], None]
) -> AsyncGenerator[
    tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]
]:
    """The streams of a server that runs as long as they are open; its whole process group ends with them.

    Args:
        command: its program and arguments.
        environment: all of its environment.
        message_bytes: a longer line ends the connection.
        on_end: called when the server says nothing more, because it ended or broke the rules.

    Raises:
        OSError: it cannot be started.
    """
    process = await anyio.open_process(
        _tied(command),
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # nobody would drain a pipe, and a full one stops the server
        start_new_session=True,
    )
    heard, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, said = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_listen, process, heard, message_bytes, on_end)
            tasks.start_soon(_speak, process, said)
            try:
                yield incoming, outgoing
            finally:
                tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)
        for stream in (heard, incoming, outgoing, said):
            stream.close()


def _tied(command: Sequence[str]) -> list[str]:
    """The command line by which the kernel kills the server when this process dies."""
    launch = resources.files("aios").joinpath("local", "launch.py")
    return [sys.executable, "-I", "-S", str(launch), str(int(signal.SIGKILL)), str(os.getpid()), "same", *command]


async def _listen(
    process: Process,
    heard: MemoryObjectSendStream[SessionMessage | Exception],
    message_bytes: int,
    on_end: Callable[[], None],
) -> None:
    assert process.stdout is not None
    lines = BufferedByteReceiveStream(process.stdout)
    async with heard:
        with suppress(*_BROKEN, anyio.DelimiterNotFound, anyio.IncompleteRead):
            while True:
                line = await lines.receive_until(b"\n", message_bytes)
                with suppress(ValueError):  # no message: servers print all sorts of things
                    await heard.send(SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False)))
    on_end()


async def _speak(process: Process, said: MemoryObjectReceiveStream[SessionMessage]) -> None:
    assert process.stdin is not None
    with suppress(*_BROKEN):
        async for message in said:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            await process.stdin.send(text.encode() + b"\n")


async def _end(process: Process) -> None:
    """Close its input, wait a little, then kill the whole group."""
    if process.stdin is not None:
        with suppress(*_BROKEN):
            await process.stdin.aclose()
    with anyio.move_on_after(_GRACE_SECONDS):
        await process.wait()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with anyio.move_on_after(_GRACE_SECONDS):
        await process.wait()
    # A pipe that is not read to its end, or that a grandchild holds, keeps the transport open for ever; nothing public
    # closes it (as in the SDK's own `_close_subprocess_transport`).
    transport = getattr(getattr(process, "_process", None), "_transport", None)
    if transport is not None:
        transport.close()
