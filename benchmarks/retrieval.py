"""Search in files beside `grep -r`: a generated corpus whose answers are known, asked in its own words and in others."""

from __future__ import annotations

import statistics
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks import corpus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from aios.kernel.values import JsonObject
    from aios.sdk.files import Files
    from benchmarks.corpus import Document, Question

_PLACE: Final = "/shared/corpus"


class Answer(NamedTuple):
    """What one way of searching gave for one question: recall among the first ten, F1 of all that was given."""

    way: str
    words: str
    question: str
    recall_at_10: float
    f1: float
    ms: float


def measure(files: Files, *, documents: int, folder: Path) -> tuple[float, list[Answer]]:
    """Seconds until the corpus was written and indexed, and every answer of every way.

    Args:
        files: of a running system.
        documents: how many.
        folder: of this machine, for `grep`.
    """
    made = corpus.documents(documents, seed=3)
    begun = time.monotonic()
    for document in made:
        files.write(f"{_PLACE}/{document.path}", document.text.encode())
    files.perform("index")
    seconds = time.monotonic() - begun
    files.perform("search", query="warm up", pattern=f"{_PLACE}/**")
    _lay_out(made, folder)
    ways: dict[str, Callable[[Question], list[str]]] = {
        **{by: partial(_ask, files, by=by) for by in ("words", "meaning", "both")},
        "grep -r, any word": partial(_grep, folder),
    }
    return round(seconds, 1), [
        _judged(name, way, question) for name, way in ways.items() for question in corpus.questions(made)
    ]


def summary(answers: Sequence[Answer]) -> list[JsonObject]:
    """Means by way and by whether the questions used the documents' own words."""
    kinds = dict.fromkeys((answer.way, answer.words) for answer in answers)
    found = []
    for way, words in kinds:
        some = [answer for answer in answers if (answer.way, answer.words) == (way, words)]
        means = {
            name: round(statistics.fmean(getattr(answer, name) for answer in some), 3)
            for name in ("recall_at_10", "f1", "ms")
        }
        found.append({"way": way, "words": words, "questions": len(some), **means})
    return found


def _judged(name: str, way: Callable[[Question], list[str]], question: Question) -> Answer:
    """How good an answer is: we ask for as many files as there are right ones, at most a hundred."""
    begun = time.perf_counter()
    given = way(question)
    milliseconds = 1000 * (time.perf_counter() - begun)
    right = len(question.answers & set(given))
    first = len(question.answers & set(given[:10]))
    return Answer(
        way=name,
        words="its own" if question.exact else "others",
        question=question.text,
        recall_at_10=round(first / min(10, len(question.answers)), 4),
        f1=round(2 * right / (len(given) + len(question.answers)), 4),
        ms=round(milliseconds, 2),
    )


def _ask(files: Files, question: Question, *, by: str) -> list[str]:
    """Paths that our search gives."""
    count = min(100, len(question.answers))
    found = files.perform("search", query=question.text, by=by, k=count, pattern=f"{_PLACE}/**")
    return [hit["path"].removeprefix(f"{_PLACE}/") for hit in found["hits"]]


def _grep(folder: Path, question: Question) -> list[str]:
    """Paths that `grep -r` gives for any of the words."""
    words = [part for word in question.text.split() for part in ("-e", word)]
    argv = ("grep", "-r", "-l", "-i", "-w", *words, ".")
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)  # our own words
    return [line.removeprefix("./") for line in done.stdout.splitlines()]


def _lay_out(made: list[Document], folder: Path) -> None:
    """The corpus as files of this machine."""
    for document in made:
        file = folder / document.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(document.text)
