"""The executors of one process share what is dear."""

from __future__ import annotations

from aios.bootstrap.executors import Executors
from aios.bootstrap.parts import Parts
from aios.memory.hashing import Hashing
from aios.settings import Settings
from tests.asking import claimed


class Counting(Hashing):
    def __init__(self):
        self.texts = []

    def embed(self, texts):
        self.texts += texts
        return super().embed(texts)


def test_notes_are_embedded_by_the_model_that_files_are(database_url, redis_url):
    parts = Parts(Settings(database_url=database_url, redis_url=redis_url))
    parts.__dict__["embedder"] = shared = Counting()  # where the property keeps it
    Executors(parts)["memory"].perform(claimed("memory", "add", {"content": "one", "tags": [], "metadata": {}}))
    assert shared.texts == ["one"]
    assert parts.store.embedder() is shared
    parts.close()
