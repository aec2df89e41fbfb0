"""A file that is no model, or a spoilt one, is one clear error, whatever its bytes are."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.errors import Misconfigured
from aios.local.engine import gguf

TOKENS, STRINGS = b"tokenizer.ggml.tokens", (9, 8)


def text(value):
    return struct.pack("<Q", len(value)) + value


def file_of(*fields):
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(fields)) + b"".join(fields)


def tokens(*names, count=None):
    head = struct.pack("<IIQ", *STRINGS, len(names) if count is None else count)
    return text(TOKENS) + head + b"".join(map(text, names))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("models") / "model.gguf"


def test_a_vocabulary_is_read(path):
    path.write_bytes(file_of(tokens(b"a", "\u2581b".encode(), b"<0x0A>")))
    assert gguf.vocabulary(path).pieces == [b"a", b" b", b"\n"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no model",
        file_of(),
        file_of(tokens(b"a"))[:-1],
        file_of(tokens(b"a", count=1 << 60)),
        file_of(text(b"key") + struct.pack("<I", 77)),
        file_of(text(TOKENS) + struct.pack("<IB", 0, 1)),
    ],
    ids=["empty", "text", "no vocabulary", "cut", "an endless list", "an unknown type", "a number for a list"],
)
def test_a_spoilt_file_is_named_with_the_remedy(path, content):
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"model\.gguf is no GGUF model .*; name a whole GGUF file"):
        gguf.vocabulary(path)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(path, content):
    path.write_bytes(b"GGUF" + content)
    with pytest.raises(Misconfigured):
        gguf.vocabulary(path)
