"""The contract of the port `Embedder`, on the fake and on the real ones."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from aios.errors import Misconfigured
from aios.memory.hashing import Hashing
from aios.memory.minilm import MiniLM
from aios.testing import FakeEmbedder

ODD = ["", "   ", "\n", "😀", "\x00", "\u0301", "x" * 100_000, "word " * 50_000, "日本語のテキスト"]


@pytest.fixture(scope="module", params=[FakeEmbedder, Hashing, MiniLM])
def made(request):
    return request.param()


def cosine(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


class TestEmbedder:
    def test_it_has_a_name_and_the_dimensions_of_the_table(self, made):
        assert made.name
        assert made.dimensions == 384

    def test_one_unit_vector_per_text_in_order(self, made):
        vectors = made.embed(["a cat", "a dog"])
        assert [len(vector) for vector in vectors] == [384, 384]
        assert all(math.isclose(math.hypot(*vector), 1, abs_tol=1e-6) for vector in vectors)
        assert made.embed(["a dog"])[0] == vectors[1]

    def test_no_texts_no_vectors(self, made):
        assert made.embed([]) == []

    def test_a_texts_vector_is_always_the_same_whatever_stands_beside_it(self, made):
        assert made.embed(["long " * 40, "a cat"])[1] == made.embed(["a cat"])[0]

    def test_different_texts_differ(self, made):
        one, other = made.embed(["the weather in Rome", "quarterly accounts"])
        assert cosine(one, other) < 0.9

    def test_odd_texts_have_finite_unit_vectors(self, made):
        for text in ODD:
            (vector,) = made.embed([text])
            assert math.isclose(math.hypot(*vector), 1, abs_tol=1e-6), text[:10]


def test_names_differ_so_that_vectors_are_never_mixed():
    assert len({FakeEmbedder().name, Hashing().name, MiniLM().name}) == 3


def test_the_hashing_embedder_never_changes():
    (vector,) = Hashing().embed(["A stable text, for ever."])
    largest = sorted(range(384), key=lambda i: -abs(vector[i]))[:4]
    assert [(i, round(vector[i], 4)) for i in sorted(largest)] == [
        (14, -0.3887),
        (23, 0.3887),
        (257, -0.3887),
        (259, -0.3887),
    ]


def test_the_hashing_embedder_finds_shared_words_near():
    base, near, far = Hashing().embed(["rust removal with vinegar", "vinegar removes rust", "tax law"])
    assert cosine(base, near) > 0.4 > cosine(base, far) + 0.2


def test_minilm_finds_meaning_near():
    texts = [
        "How do I get rust off a bike chain?",
        "Removing corrosion from bicycle parts",
        "The parliament met on Monday",
    ]
    base, near, far = MiniLM().embed(texts)
    assert cosine(base, near) > 0.5
    assert cosine(base, far) < 0.2


def test_threads_load_the_model_once_and_agree():
    made = MiniLM()
    barrier = threading.Barrier(4)

    def embed(_):
        barrier.wait()
        return made.embed(["a cat"])[0]

    with ThreadPoolExecutor(4) as pool:
        vectors = list(pool.map(embed, range(4)))
    assert all(vector == vectors[0] for vector in vectors)


def test_another_model_file_is_refused(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"another model")
    with pytest.raises(Misconfigured, match="not the model `minilm`"):
        MiniLM(tmp_path / "model.onnx").embed(["x"])


def test_a_missing_model_names_the_remedy(tmp_path):
    with pytest.raises(Misconfigured, match="AIOS_EMBEDDER=hashing"):
        MiniLM(tmp_path / "nothing.onnx").embed(["x"])
