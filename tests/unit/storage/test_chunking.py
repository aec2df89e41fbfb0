"""Chunks: what each kind of text is cut into, and that no text is too strange to be cut."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.storage.chunking import MOST_CHUNKS, SIZE, chunk, chunk_pages
from aios.storage.media import CSV, HTML, JSON, MARKDOWN, SEARCHED, TEXT


def cut(text, media_type, name=""):
    return [tuple(one) for one in chunk(text.encode(), media_type=media_type, name=name)]


def test_markdown_is_cut_at_headings_and_not_within_code():
    text = "# A\nintro\n\n## B\n```\n# no heading\n```\nmore\n\nC\n=\nend\n"
    assert cut(text, MARKDOWN, "x.md") == [
        ("x.md > A", "intro"),
        ("x.md > A > B", "```\n# no heading\n```\nmore"),
        ("x.md > C", "end"),
    ]


def test_html_is_cut_as_a_reader_sees_it():
    text = (
        "<html><head><title>T</title><style>p {}</style></head><body><h1>One <b>1</b></h1><p>some <i>words</i></p>"
        "<script>steal()</script><h2>Two</h2><ul><li>a<li>b</ul></body></html>"
    )
    assert cut(text, HTML) == [("T > One1", "some\nwords"), ("T > One1 > Two", "a\nb")]


def test_csv_rows_keep_the_names_of_their_columns():
    assert cut("city;people\nBerlin;3.7\nBonn;\n", CSV) == [
        ("city, people", "city: Berlin; people: 3.7\ncity: Bonn"),
    ]


def test_json_values_keep_the_path_to_them():
    assert cut('{"a": {"b": [1, {"c": "x"}]}, "d": null}', JSON) == [("", "a.b[0]: 1\na.b[1].c: x\nd: None")]


def test_pages_are_cut_apart_and_empty_ones_have_no_chunk():
    assert chunk_pages(["one\n\nmore", " ", "three"], name="x.pdf") == [
        ("x.pdf > page 1", "one\nmore"),
        ("x.pdf > page 3", "three"),
    ]


def test_paragraphs_are_joined_up_to_the_size_and_long_ones_cut_at_sentences():
    sentence = "This sentence has forty-odd characters. "
    made = cut("short\n\n" + sentence * 60, TEXT)
    assert len(made) == 4
    assert all(len(content) <= SIZE for _, content in made)
    assert all(content.endswith(("characters.", "short")) for _, content in made)


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=300) | st.text("#>`-*[]<>/ab\n\t \"'{}:,;=", max_size=300).map(str.encode),
    st.sampled_from(sorted(SEARCHED)),
)
def test_anything_is_cut_into_chunks_that_fit(data, media_type):
    for one in chunk(data, media_type=media_type, name="name"):
        assert one.content.strip()
        assert len(one.content) <= SIZE
        assert "\x00" not in one.text


def test_no_word_of_a_plain_text_is_lost():
    words = [f"word{n}" for n in range(3000)]
    text = " ".join(words).replace("word7 ", "word7.\n\n")
    assert " ".join(content for _, content in cut(text, TEXT)).replace(".", "").split() == words


HOSTILE = {
    "open tags": ("<div>" * 100_000 + "x", HTML),
    "quotes": ("> " * 50_000, MARKDOWN),
    "brackets": ("[" * 50_000, MARKDOWN),
    "emphasis": ("*a **b " * 20_000, MARKDOWN),
    "lists": ("- " * 20_000, MARKDOWN),
    "deep objects": ('{"a":' * 100_000, JSON),
    "deep lists": ("[" * 100_000 + "]" * 100_000, JSON),
    "one field": ('"' + "x" * 500_000, CSV),
    "one word": ("x" * 2_000_000, TEXT),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_takes_no_more_time_than_another(name):
    text, media_type = HOSTILE[name]
    began = time.process_time()
    assert len(cut(text, media_type)) <= MOST_CHUNKS
    assert time.process_time() - began < 5
