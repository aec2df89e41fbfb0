"""Which addresses a tool may reach."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.errors import AddressDenied, ToolUnavailable
from aios.tools.addresses import is_public, pinned

OURS = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.8",
    "198.18.0.1",
    "203.0.113.7",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:53aa:64c:0:0:f5ff:fffe",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd12::1",
    "ff02::1",
    "2001:db8::1",
]


@pytest.mark.parametrize("text", OURS)
def test_no_address_of_our_own_network_is_public_however_it_is_wrapped(text):
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are(text):
    assert is_public(ipaddress.ip_address(text))


@given(st.integers(0, 2**24 - 1).map(lambda n: ipaddress.IPv4Address((127 << 24) + n)))
def test_loopback_stays_loopback_inside_every_wrapping(inner):
    for prefix in (0xFFFF << 32, int(ipaddress.ip_address("64:ff9b::")), 0):
        assert not is_public(ipaddress.IPv6Address(prefix + int(inner)))


def resolve_to(*addresses):
    return lambda host, port: list(addresses)


def pin(resolve):
    return pinned("http://h/", host="h", port=80, resolve=resolve, permitted=is_public)


def test_the_first_address_is_pinned():
    assert pin(resolve_to("8.8.8.8", "8.8.4.4")) == "8.8.8.8"


def test_one_address_of_ours_among_public_ones_refuses_the_name():
    with pytest.raises(AddressDenied, match=r"h is 10\.0\.0\.1"):
        pin(resolve_to("8.8.8.8", "10.0.0.1"))


def test_a_name_without_an_address_is_tried_again_later():
    def fails(host, port):
        raise OSError("no such name")

    for resolve in (fails, resolve_to()):
        with pytest.raises(ToolUnavailable):
            pin(resolve)
