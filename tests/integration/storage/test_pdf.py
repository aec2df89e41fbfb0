"""PDFs on real ground: a process reads them, the index keeps their parts, and no PDF stops either."""

from __future__ import annotations

import base64
import time

import pytest

from aios.memory.hashing import Hashing
from aios.storage import pdf
from aios.storage.blobs import Blobs
from aios.storage.index import Index
from aios.storage.store import Store
from tests.integration.storage.disk import Disk
from tests.pdfs import pdf as made

GOOD = made("Contract\nThe tenant waters the rhododendron.", "Signed in Lisbon.")


@pytest.fixture
def disk(common_database):
    index = Index(common_database, Blobs(), embedder=Hashing)
    return Disk(common_database, Store(embedder=Hashing, index=index))


def put(disk, path, data):
    disk("write", path=path, content=base64.b64encode(data).decode(), encoding="base64")


def test_a_pdf_is_found_by_its_text_and_the_hit_names_its_page(disk):
    put(disk, "contract.pdf", GOOD)
    disk("index")
    (hit,) = disk("search", query="rhododendrons", by="words")["hits"]
    assert (hit["heading"], hit["media_type"]) == ("contract.pdf > page 1", "application/pdf")
    (hit,) = disk("search", query="lisbon", by="meaning")["hits"]
    assert hit["content"] == "Signed in Lisbon."
    assert disk("stat", path="contract.pdf")["parts"] == 2


BAD = {
    "encrypted": (made("secret", password="x"), "it is encrypted"),
    "broken": (GOOD[:60], "it is broken"),
    "pictures": (made(b"0 0 m 9 9 l S"), "no text is on its pages"),
}


def test_a_pdf_without_text_stops_nothing_and_says_so(disk, caplog):
    for name, (data, _) in BAD.items():
        put(disk, f"{name}.pdf", data)
    disk.write("good.md", "The rhododendron is well.")
    disk("index")
    told = disk("search", query="rhododendron", by="words")
    assert [hit["path"] for hit in told["hits"]] == [disk.path("good.md")]
    assert told["unindexed"] == 0
    for name, (_, why) in BAD.items():
        about = disk("stat", path=f"{name}.pdf")
        assert (about["media_type"], about["indexed"], about["parts"]) == ("application/pdf", True, 0)
        assert f"{name}.pdf version 1: {why}" in caplog.text


def test_pages_are_read_one_by_one_and_a_limit_keeps_those_before_it():
    assert pdf.read(made(*"abc"), pages=2) == (["a", "b"], "what follows page 2 is too much")
    endless = b"BT /F1 12 Tf " + b"(x) Tj 1 0 0 1 5 5 Tm " * 200_000 + b"ET"
    began = time.monotonic()
    texts, missing = pdf.read(made("a", endless, "c"), seconds=1)
    assert time.monotonic() - began < 10
    assert (texts, missing) == (["a"], "reading what follows page 1 takes more than 1 s or too much memory")


def test_a_damaged_page_costs_that_page_alone():
    first, second, third = made("a", "b", "c").split(b"/FlateDecode", 2)
    texts, missing = pdf.read(first + b"/FlateDecode" + second + b"/NoSuchCode1" + third)
    assert texts == ["a", "", "c"]
    assert missing.startswith("page 2 is broken")
