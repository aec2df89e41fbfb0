"""Storage (E11): versions under kills, rollbacks, and search beside `grep`.

Eight agents write versions of a file of their own, each for the version before it, and of one that they share, while workers
are killed with SIGKILL. Every version is then read back and compared with what must have been written.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from benchmarks import corpus
from tests.acceptance.system import THREADS, Node, System

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aios.sdk.files import Files
    from benchmarks.corpus import Document, Question

WRITERS = 8
SHARED = "/groups/scribes/shared.txt"
FLEET = (
    Node("agents-1", "agent", (*THREADS, "4")),
    Node("agents-2", "agent", (*THREADS, "4")),
    Node("files-1", "storage", (*THREADS, "4")),
    Node("files-2", "storage", (*THREADS, "4")),
)
KILLED = tuple(node.name for node in FLEET)


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    writes: int
    kill_seconds: float
    rollbacks: int
    documents: int

    @classmethod
    def of(cls, *, quick: bool) -> Plan:
        """A minute, or some."""
        return cls(600, 2.0, 30, 160) if quick else cls(10_000, 3.0, 300, 2_000)


def main() -> int:
    """Measure; 0 when no version is wrong, lost or doubled, and every rollback is right."""
    parser = argparse.ArgumentParser(prog="benchmarks.storage", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    plan, folder = Plan.of(quick=options.quick), Path(tempfile.mkdtemp(prefix="aios-e11-"))
    env = {
        "AIOS_AGENTS_PATH": str(Path(__file__).with_name("programs")),
        "AIOS_ACCESS__OVERWRITE_OTHER": "allow",  # the writers of the shared file do nothing else
        "AIOS_DATABASE_POOL": "6",
        "AIOS_EMBEDDER": "minilm",  # as this process, which asks
    }
    with System(folder, fleet=FLEET, env=env) as system:
        versions = written(system, plan)
        files = system.client.files
        back = rolled_back(files, plan)
        search = searched(files, plan, folder / "corpus")
    found = {"plan": asdict(plan), "versions": versions, "rollback": back, "search": search}
    print(json.dumps(found) if options.json else told(found))
    return 1 if versions["wrong"] or versions["lost"] or versions["doubled"] or back["wrong"] else 0


def written(system: System, plan: Plan) -> dict[str, float]:
    """Write under kills; what became of the versions."""
    begun, random, kills, each = time.monotonic(), Random(11), 0, plan.writes // WRITERS
    tasks = [{"writer": writer, "writes": each, "done": 0} for writer in range(WRITERS)]
    agents = [system.client.submit("scribe", task, groups=["scribes"]) for task in tasks]
    open_ = "SELECT count(*) FROM agents WHERE finished_at IS NULL"
    while system.query(open_)[0][0]:
        system.pause(plan.kill_seconds)
        name = random.choice(KILLED)
        if system.query(open_)[0][0] and not system.waiting():
            system.units[name].kill()
            kills += 1
        if time.monotonic() - begun > 3000:
            raise TimeoutError(system.tails())
    seconds = time.monotonic() - begun
    texts = contents(system)
    expected = {f"/agents/{agent}/own.txt": own(n, each) for n, agent in enumerate(agents)}
    wrong = sum(texts[path] != expected[path] for path in expected)
    shared = Counter(texts[SHARED])
    must = Counter(f"{writer} {number}" for writer in range(WRITERS) for number in range(2, each + 1, 2))
    return {
        "written": sum(map(len, texts.values())),
        "seconds": round(seconds, 1),
        "per_second": round(plan.writes / seconds, 1),
        "kills": kills,
        "wrong": wrong + sum(count for text, count in shared.items() if text not in must),
        "lost": sum((must - shared).values()),
        "doubled": sum(count - 1 for count in shared.values()),
    }


def own(writer: int, each: int) -> list[str]:
    """What a writer's own file must have been, version by version."""
    return [f"{writer} {number}" for number in range(1, each + 1, 2)]


def contents(system: System) -> dict[str, list[str]]:
    """Every version of every file, in order; a gap in the numbers is an error."""
    rows = system.query(
        "SELECT f.path, v.version, convert_from(b.data, 'UTF8') FROM file_versions v JOIN files f ON f.id = v.file_id "
        "JOIN blobs b ON b.digest = v.digest ORDER BY f.path, v.version"
    )
    texts: dict[str, list[str]] = {}
    for path, version, text in rows:
        texts.setdefault(str(path), []).append(str(text))
        if version != len(texts[str(path)]):
            raise AssertionError(f"{path}: version {version} follows {len(texts[str(path)]) - 1}")
    return texts


def rolled_back(files: Files, plan: Plan) -> dict[str, int]:
    """Roll the shared file back by number, by count and by time; how often it was what it had been then."""
    random, wrong = Random(7), 0
    history = files.perform("history", path=SHARED, limit=1000)
    for _ in range(plan.rollbacks):
        version = random.choice(history)
        then = files.read(SHARED, version=version["version"])
        newest = files.perform("stat", path=SHARED)["version"]
        way = random.choice(
            [{"to": version["version"]}, {"versions": newest - version["version"]}, {"before": version["created_at"]}]
        )
        told = files.perform("rollback", path=SHARED, **way)
        wrong += files.read(SHARED) != then or told["restored"] != version["version"]
    return {"tried": plan.rollbacks, "wrong": wrong}


def searched(files: Files, plan: Plan, folder: Path) -> dict[str, dict[str, float]]:
    """Ask a corpus with known answers, by each way of searching, and `grep` the same files."""
    made = corpus.documents(plan.documents, seed=3)
    begun = time.monotonic()
    for document in made:
        files.write(f"/shared/corpus/{document.path}", document.text.encode())
    files.perform("index")
    index_seconds = time.monotonic() - begun
    asked = corpus.questions(made)
    files.perform("search", query="warm up", pattern="/shared/corpus/**")
    ways: dict[str, Callable[[Question], list[str]]] = {
        by: lambda question, by=by: ask(files, question, by=by) for by in ("words", "meaning", "both")
    }
    laid_out(made, folder)
    ways["grep -r, any word"] = lambda question: grep(folder, question)
    found = {f"{way}, {kind}": judged(ways[way], some) for way in ways for kind, some in kinds(asked)}
    return {"index": {"documents": len(made), "seconds": round(index_seconds, 1)}, **found}


def kinds(asked: Iterable[Question]) -> list[tuple[str, list[Question]]]:
    """Questions in the documents' own words, and in others."""
    asked = list(asked)
    return [("own words", [q for q in asked if q.exact]), ("other words", [q for q in asked if not q.exact])]


def judged(way: Callable[[Question], list[str]], asked: list[Question]) -> dict[str, float]:
    """Recall among the first ten, F1 of all that was given (we give as many as there are answers), and time."""
    recall, f1, begun = 0.0, 0.0, time.monotonic()
    for question in asked:
        given = way(question)
        right = len(question.answers & set(given))
        first = len(question.answers & set(given[:10]))
        recall += first / min(10, len(question.answers))
        f1 += 2 * right / (len(given) + len(question.answers))
    milliseconds = 1000 * (time.monotonic() - begun) / len(asked)
    return {"recall@10": round(recall / len(asked), 3), "F1": round(f1 / len(asked), 3), "ms": round(milliseconds, 1)}


def ask(files: Files, question: Question, *, by: str) -> list[str]:
    """Paths that our search gives."""
    count = min(100, len(question.answers))
    found = files.perform("search", query=question.text, by=by, k=count, pattern="/shared/corpus/**")
    return [hit["path"].removeprefix("/shared/corpus/") for hit in found["hits"]]


def grep(folder: Path, question: Question) -> list[str]:
    """Paths that `grep -r` gives for any of the words."""
    words = [part for word in question.text.split() for part in ("-e", word)]
    argv = ("grep", "-r", "-l", "-i", "-w", *words, ".")
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)  # our own words
    return [line.removeprefix("./") for line in done.stdout.splitlines()]


def laid_out(made: list[Document], folder: Path) -> None:
    """The corpus as files of this machine."""
    for document in made:
        file = folder / document.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(document.text)


def told(found: dict[str, dict[str, object]]) -> str:
    """The findings as people read them."""
    lines = []
    for part, values in found.items():
        lines.append(part)
        lines += [f"  {name}: {value}" for name, value in values.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
