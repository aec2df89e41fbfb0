"""Media types, and ranges of texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.storage.media import BINARY, SEARCHED, media_type, window


@pytest.mark.parametrize(
    ("path", "data", "kind"),
    [
        ("/a/x.md", b"text", "text/markdown"),
        ("/a/x.MD", b"text", "text/markdown"),
        ("/a/x.html", b"<p>", "text/html"),
        ("/a/x.csv", b"a,b", "text/csv"),
        ("/a/x.json", b"{}", "application/json"),
        ("/a/x.py", b"print()", "text/plain"),
        ("/a/README", b"text", "text/plain"),
        ("/a.md/README", b"text", "text/plain"),
        ("/a/x.png", b"\x89PNG\xff", "image/png"),
        ("/a/x.pdf", b"%PDF-1.7\n\xff", "application/pdf"),
        ("/a/x.PDF", b"%PDF-1.7\nall of it ASCII", "application/pdf"),
        ("/a/x.pdf", b"\xff no such thing", BINARY),
        ("/a/x.pdf", b"only its name", "text/plain"),
        ("/a/x.txt", b"it begins with %PDF-", "text/plain"),
        ("/a/x.md", b"\xff\xfe", BINARY),
        ("/a/x.txt", b"a\x00b", BINARY),
        ("/a/x", b"\xff", BINARY),
        ("/a/x.png", b"no picture", "text/plain"),
    ],
)
def test_a_kind_is_told_by_name_and_content(path, data, kind):
    assert media_type(path, data) == kind


def test_what_is_no_text_is_never_searched():
    assert all(
        media_type(f"x.{suffix}", b"\xff") not in SEARCHED for suffix in ("md", "csv", "json", "html", "pdf", "txt")
    )


@given(st.text(max_size=40), st.integers(1, 9))
def test_pages_cut_no_character_and_give_the_whole(text, length):
    data, at, pages = text.encode(), 0, []
    while at < len(data):
        start, end = window(data, start=at, length=length)
        assert start == at
        assert end > start
        pages.append(data[start:end].decode())
        at = end
    assert "".join(pages) == text


@given(st.text(max_size=40), st.integers(0, 200), st.none() | st.integers(0, 9))
def test_any_range_is_text_within_the_text(text, start, length):
    data = text.encode()
    first, last = window(data, start=start, length=length)
    assert 0 <= first <= last <= len(data)
    data[first:last].decode()
