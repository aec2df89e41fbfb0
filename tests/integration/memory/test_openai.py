"""Embeddings from a server that speaks OpenAI's API, over real HTTP."""

from __future__ import annotations

import math

import pytest

from aios.errors import EmbedderUnavailable, Misconfigured
from aios.local.ports import free_port
from aios.memory.openai import OpenAIEmbedder
from tests.integration.memory.server import Embeddings, serving


@pytest.fixture
def client():
    made = []

    def make(url, **options):
        made.append(OpenAIEmbedder(url, **{"model": "m", **options}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_texts_become_unit_vectors_in_their_order_however_the_server_lists_them(client):
    with serving(Embeddings(dimensions=500)) as url:
        embedder = client(url)
        texts = [f"text {number}" for number in range(70)]
        vectors = embedder.embed(texts)
        assert embedder.embed([texts[69]]) == [vectors[69]]
    assert (embedder.name, embedder.dimensions, len(vectors)) == ("openai:m:500", 500, 70)
    assert all(math.hypot(*vector) == pytest.approx(1) for vector in vectors)


def test_a_key_and_a_length_are_sent(client):
    server = Embeddings()
    with serving(server) as url:
        embedder = client(url, key="secret", dimensions=256)
        assert [len(vector) for vector in embedder.embed(["a"])] == [256]
    assert {(asked["authorization"], asked["dimensions"]) for asked in server.asked} == {("Bearer secret", 256)}


@pytest.mark.parametrize(
    ("server", "error", "says"),
    [
        (Embeddings(status=503), EmbedderUnavailable, "HTTP 503"),
        (Embeddings(status=429), EmbedderUnavailable, "HTTP 429"),
        (Embeddings(status=401), Misconfigured, "HTTP 401"),
        (Embeddings(dimensions=4001), Misconfigured, r"\[4001\] dimensions"),
        (Embeddings(answer={"data": "x"}), Misconfigured, "no list of embeddings"),
        (Embeddings(answer={"data": [{"index": 0, "embedding": [0, 0]}]}), Misconfigured, "no direction"),
        (Embeddings(answer={"data": []}), Misconfigured, "0 vectors"),
    ],
)
def test_what_a_server_does_wrong_is_an_error_that_says_what(client, server, error, says):
    with serving(server) as url, pytest.raises(error, match=says):
        client(url).embed(["a"])


def test_a_server_that_is_away_is_tried_again_later(client):
    with pytest.raises(EmbedderUnavailable):
        client(f"http://127.0.0.1:{free_port()}/v1").embed(["a"])


def test_a_url_or_model_that_is_missing_is_said(client):
    with pytest.raises(Misconfigured, match="needs a URL and a model"):
        client("", model="m")
