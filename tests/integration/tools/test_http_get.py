"""`http_get` on a real server: limits, redirects, and that only the checked address is connected to."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aios.errors import AddressDenied, ToolFailed, ToolUnavailable
from aios.tools.http_get import Fetcher

LOOPBACK = ipaddress.ip_address("127.0.0.1")


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, self.headers["Host"]))
        route = self.path.partition("?")[0].removeprefix("/")
        getattr(self, f"give_{route}", self.give_missing)()

    def answer(self, body, *, status=200, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def give_page(self):
        self.answer("Käse".encode(), Content_Type="text/plain; charset=utf-8")

    def give_latin(self):
        self.answer("Käse".encode("latin-1"), Content_Type="text/plain; charset=iso-8859-1")

    def give_odd(self):
        self.answer(b"a\x00\xff+AGE-", Content_Type="text/plain; charset=utf-7")

    def give_long(self):
        self.answer(b"x" * 300_000)

    def give_packed(self):
        self.answer(b"\x1f\x8b\x08", Content_Encoding="gzip")

    def give_missing(self):
        self.answer(b"no", status=404)

    def give_loop(self):
        self.answer(b"", status=302, Location="/loop")

    def give_hop(self):
        self.answer(b"", status=302, Location="page")

    def give_metadata(self):
        self.answer(b"", status=302, Location="http://metadata.test/latest")

    def give_elsewhere(self):
        self.answer(b"", status=302, Location=f"http://other.test:{self.server.server_port}/page")

    def give_file(self):
        self.answer(b"", status=302, Location="file:///etc/passwd")

    def give_drip(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        try:
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(0.05)
        except OSError:
            pass

    def give_silence(self):
        time.sleep(1)
        self.close_connection = True

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Site)
        self.seen = []

    def handle_error(self, request, client_address):
        """Clients that go away in the middle are what is tested."""


@contextmanager
def serving():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site():
    with serving() as server:
        yield server


class Names:
    """A name service that answers once and then lies."""

    def __init__(self, **more):
        self.asked = []
        self.table = {"site.test": ["127.0.0.1"], "metadata.test": ["169.254.169.254"], **more}

    def __call__(self, host, port):
        self.asked.append(host)
        return self.table[host]


def fetcher(site, *, allow=(), names=None, permitted=lambda address: address == LOOPBACK, **limits):
    hosts = (f"site.test:{site.server_port}", "metadata.test", *allow)
    return Fetcher(hosts, resolve=names or Names(), permitted=permitted, **limits)


def url(site, path):
    return f"http://site.test:{site.server_port}/{path}"


def test_a_page_is_fetched_by_name_from_the_checked_address(site):
    names = Names()
    answer = fetcher(site, names=names).fetch(url(site, "page?q=1#part"))
    assert answer == {
        "url": url(site, "page?q=1#part"),
        "status": 200,
        "content_type": "text/plain; charset=utf-8",
        "text": "Käse",
        "truncated": False,
    }
    assert site.seen == [("/page?q=1", f"site.test:{site.server_port}")]
    assert names.asked == ["site.test"]


def test_loopback_is_denied_by_the_default_policy(site):
    with pytest.raises(AddressDenied, match=r"127\.0\.0\.1"):
        Fetcher((f"localhost:{site.server_port}",)).fetch(f"http://localhost:{site.server_port}/page")
    assert site.seen == []


def test_charsets_are_read_and_odd_ones_are_not(site):
    assert fetcher(site).fetch(url(site, "latin"))["text"] == "Käse"
    assert fetcher(site).fetch(url(site, "odd"))["text"] == "a\ufffd\ufffd+AGE-"


def test_an_error_page_is_an_answer(site):
    answer = fetcher(site).fetch(url(site, "nothing"))
    assert (answer["status"], answer["text"]) == (404, "no")


def test_long_bodies_are_cut(site):
    answer = fetcher(site, body_bytes=1000).fetch(url(site, "long"))
    assert (len(answer["text"]), answer["truncated"]) == (1000, True)


def test_a_body_that_could_unpack_to_any_size_is_refused(site):
    with pytest.raises(ToolFailed, match="compressed"):
        fetcher(site).fetch(url(site, "packed"))


def test_a_redirect_is_followed_and_checked_like_the_first_address(site):
    assert fetcher(site).fetch(url(site, "hop"))["url"] == url(site, "page")
    with pytest.raises(AddressDenied, match=r"169\.254\.169\.254"):
        fetcher(site).fetch(url(site, "metadata"))
    with pytest.raises(AddressDenied, match=r"other\.test is not in"):
        fetcher(site).fetch(url(site, "elsewhere"))
    with pytest.raises(ToolFailed, match="TooManyRedirects"):
        fetcher(site).fetch(url(site, "loop"))


def test_a_redirect_out_of_http_is_refused(site):
    with pytest.raises(AddressDenied, match="file:"):
        fetcher(site).fetch(url(site, "file"))


@pytest.mark.parametrize("path", ["drip", "silence"])
def test_a_slow_server_is_cut_off_by_the_clock(site, path):
    began = time.monotonic()
    with pytest.raises(ToolUnavailable):
        fetcher(site, seconds=0.3).fetch(url(site, path))
    assert time.monotonic() - began < 3


def test_a_dead_server_is_tried_again_later(site):
    with serving() as other:
        dead = other.server_port
    with pytest.raises(ToolUnavailable):
        fetcher(site, allow=[f"site.test:{dead}"]).fetch(f"http://site.test:{dead}/")


def test_a_certificate_is_asked_for_by_name_though_the_address_is_connected_to(site):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        greeting = []

        def accept():
            connection, _ = listener.accept()
            with connection:
                greeting.append(connection.recv(4096))

        thread = threading.Thread(target=accept)
        thread.start()
        port = listener.getsockname()[1]
        with pytest.raises(ToolUnavailable):
            fetcher(site, allow=[f"site.test:{port}"]).fetch(f"https://site.test:{port}/")
        thread.join(5)
    assert b"site.test" in greeting[0]


def test_proxies_of_the_environment_are_not_used(site, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert fetcher(site).fetch(url(site, "page"))["status"] == 200
