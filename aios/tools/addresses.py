"""Which network addresses a tool may reach: none of our own network's, however they are written or resolved."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from aios.errors import AddressDenied, ToolUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# NAT64 (RFC 6052, RFC 8215): the last 32 bits are an IPv4 address that a gateway turns such a packet to.
_TRANSLATED: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
# IETF assignments and 6to4 relays: the versions of Python disagree whether these are global.
_SPECIAL: Final = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("192.88.99.0/24"))


class Resolve(Protocol):
    """Turns a host name into addresses."""

    def __call__(self, host: str, port: int, /) -> Sequence[str]:
        """The addresses, most preferred first.

        Raises:
            OSError: the name has none, or the name service does not answer.
        """
        ...


class Permitted(Protocol):
    """Says whether an address may be reached."""

    def __call__(self, address: Address, /) -> bool:
        """True if it may."""
        ...


def system_resolve(host: str, port: int, /) -> Sequence[str]:
    """The operating system's own resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]).partition("%")[0] for entry in found]


def is_public(address: Address, /) -> bool:
    """Whether an address is one of the public Internet: not private, loopback, link-local, multicast or reserved."""
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return False
    if any(address in network for network in _SPECIAL):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def pinned(url: str, *, host: str, port: int, resolve: Resolve, permitted: Permitted, tool: str = "http_get") -> str:
    """The one address to connect to, checked after resolution, so that a second look-up cannot change it.

    A name that has any address of our own network is refused whole: such a name is misused or misconfigured.

    Raises:
        AddressDenied: an address of `host` may not be reached.
        ToolUnavailable: the name cannot be resolved.
    """
    try:
        addresses = [ipaddress.ip_address(text) for text in resolve(host, port)]
    except (OSError, ValueError) as error:
        raise ToolUnavailable(tool, host, f"its name cannot be resolved: {error}") from error
    for address in addresses:
        if not permitted(address):
            raise AddressDenied(url, f"{host} is {address}, which is not an address of the public Internet")
    if not addresses:
        raise ToolUnavailable(tool, host, "its name has no address")
    return str(addresses[0])


def _inner(address: Address) -> Address | None:
    """The IPv4 address inside an IPv6 one that only wraps it."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address.teredo:
        return address.teredo[1]
    if any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
