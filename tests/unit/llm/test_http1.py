from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.llm.http1 import Chunked, Malformed, Sized, UntilClosed, head


def chunked(parts, *, extension=b"", trailer=b""):
    lines = b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts if part)
    return lines + b"0\r\n" + trailer + b"\r\n"


def fed(body, data, cuts):
    """What a body gives when its bytes come in pieces."""
    places = [0, *sorted(c % (len(data) + 1) for c in cuts), len(data)]
    return b"".join(body.feed(data[a:b]) for a, b in pairwise(places) if a < b)


PARTS = st.lists(st.binary(max_size=40), max_size=6)
CUTS = st.lists(st.integers(0, 10_000), max_size=20)


@given(
    PARTS, CUTS, st.sampled_from([b"", b";name=value"]), st.sampled_from([b"", b"x-time: 3\r\n", b"a: b\r\nc: d\r\n"])
)
def test_chunks_are_joined_wherever_they_are_cut(parts, cuts, extension, trailer):
    body = Chunked()
    assert fed(body, chunked(parts, extension=extension, trailer=trailer), cuts) == b"".join(parts)
    assert body.done


@given(PARTS, st.integers(1, 4))
def test_a_chunked_body_that_is_cut_short_is_not_done(parts, missing):
    body = Chunked()
    fed(body, chunked(parts)[:-missing], [])
    assert not body.done


@given(st.binary(max_size=200), CUTS)
def test_a_sized_body_is_done_at_its_size(data, cuts):
    body = Sized(len(data))
    assert fed(body, data, cuts) == data
    assert body.done


@pytest.mark.parametrize("data", [b"zz\r\n", b"-3\r\n", b"\r\n", b"x" * 300, b"0\r\n\r\nmore"])
def test_what_is_no_chunk_is_refused(data):
    with pytest.raises(Malformed):
        Chunked().feed(data)


@given(st.binary(max_size=60))
def test_random_bytes_are_read_or_refused_but_never_crash(data):
    try:
        Chunked().feed(data)
        head(data).body()
    except Malformed:
        pass


def test_more_than_the_content_length_is_refused():
    with pytest.raises(Malformed):
        Sized(2).feed(b"abc")


def test_a_head_is_read():
    found = head(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After:  3 \r\nContent-Length: 5")
    assert (found.status, found.headers) == (429, [(b"retry-after", b"3"), (b"content-length", b"5")])
    assert found.keeps_alive
    assert isinstance(found.body(), Sized)


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", Chunked),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3", Chunked),
        (b"HTTP/1.1 200 OK", UntilClosed),
        (b"HTTP/1.1 204 No Content", Sized),
    ],
)
def test_the_head_says_how_the_body_ends(lines, kind):
    assert isinstance(head(lines).body(), kind)


@pytest.mark.parametrize("lines", [b"HTTP/1.0 200 OK", b"HTTP/1.1 200 OK\r\nConnection: close"])
def test_a_connection_that_closes_is_not_kept(lines):
    assert not head(lines).keeps_alive


@pytest.mark.parametrize("lines", [b"", b"SSH-2.0", b"HTTP/1.1 abc", b"HTTP/1.1 200 OK\r\nno colon"])
def test_what_is_no_head_is_refused(lines):
    with pytest.raises(Malformed):
        head(lines)


def test_a_content_length_that_is_no_number_is_refused():
    with pytest.raises(Malformed):
        head(b"HTTP/1.1 200 OK\r\nContent-Length: -1").body()
