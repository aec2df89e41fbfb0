from __future__ import annotations

import socket
from pathlib import Path

from aios.local import ports


def test_a_free_port_is_none_that_an_outgoing_connection_is_given() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(20):
        port = ports.free_port()
        assert 1024 < port < max(first, 32_768)
        assert ports.is_free(port)


def test_a_port_with_a_listener_is_not_free_and_accepts() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.accepts(port)
    assert not ports.accepts(port)
