"""`http_get`: what is refused before a single byte is sent."""

from __future__ import annotations

import pytest

from aios.errors import AddressDenied, InvalidArgument
from aios.tools.http_get import Fetcher


def fetcher(*allow, address="8.8.8.8"):
    def resolve(host, port):
        return [address]

    return Fetcher(allow, resolve=resolve, permitted=lambda address: False)


@pytest.mark.parametrize(
    "url",
    ["", "x", "/etc/passwd", "ftp://a.org/", "file:///etc/passwd", "http://", "http:///x", "a.org/x"],
)
def test_what_is_no_http_url_is_an_invalid_argument(url):
    with pytest.raises(InvalidArgument):
        fetcher("a.org").fetch(url)


def test_a_url_without_end_is_refused():
    with pytest.raises(InvalidArgument, match="at most"):
        fetcher("a.org").fetch("http://a.org/" + "x" * 5000)


@pytest.mark.parametrize(
    "url",
    [
        "http://b.org/",
        "http://a.org.b.org/",
        "http://xa.org/",
        "http://a.org:8080/",
        "http://a.org@b.org/",
        "http://b.org/a.org",
        "http://2130706433/",
        "http://[::1]/",
        "http://sub.a.org/",
        "http://c.org/",
    ],
)
def test_hosts_that_are_not_allowed_are_denied(url):
    with pytest.raises(AddressDenied):
        fetcher("a.org", "*.c.org").fetch(url)


@pytest.mark.parametrize("url", ["http://a.org/", "https://A.ORG./x", "http://x.c.org", "http://d.org:8080/"])
def test_an_allowed_host_still_needs_an_allowed_address(url):
    with pytest.raises(AddressDenied, match=r"8\.8\.8\.8"):
        fetcher("A.org", "*.c.org", "d.org:8080").fetch(url)


def test_credentials_in_a_url_are_refused():
    with pytest.raises(AddressDenied, match="password"):
        fetcher("a.org").fetch("http://me:secret@a.org/")


def test_nothing_is_allowed_by_default():
    with pytest.raises(AddressDenied, match=r"tools\.http_allow"):
        fetcher().fetch("http://example.org/")
