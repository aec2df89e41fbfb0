"""Storage (E11): versions under kills, rollbacks, and search beside `grep`.

Eight agents write versions of a file of their own, each for the version before it, and of one that they share, while workers
are killed with SIGKILL. Every version is then read back and compared with what must have been written. Rows and findings go
to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from benchmarks import retrieval, storage_tables
from benchmarks.origin import RESULTS, origin
from benchmarks.retrieval import Answer
from benchmarks.simulation import tables
from tests.acceptance.system import THREADS, Node, System

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.kernel.values import JsonObject
    from aios.sdk.files import Files

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
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write the tables between the page's marks")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where rows and findings go")
    options = parser.parse_args()
    run = origin(command="aios bench storage" + (" --quick" if options.quick else ""), clock="wall")
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
        indexed, answers = retrieval.measure(files, documents=plan.documents, folder=folder / "corpus")
    search = {"documents": plan.documents, "index_seconds": indexed, "ways": retrieval.summary(answers)}
    found = {"run": run, "plan": asdict(plan), "versions": versions, "rollback": back, "search": search}
    keep(found, answers, options.results)
    if options.markdown:
        tables.between(options.markdown, storage_tables.MARKS, storage_tables.page(found))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        tables.show(storage_tables.tables(found))
    wrong = [versions[name] for name in ("wrong", "lost", "doubled")] + [way["wrong"] for way in back.values()]
    return 1 if any(wrong) else 0


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
            os.kill(system.pid(name), signal.SIGKILL)
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


def rolled_back(files: Files, plan: Plan) -> dict[str, dict[str, int]]:
    """Roll the shared file back by number, by count and by time; how often it was not what it had been then."""
    random, found = Random(7), {way: {"tried": 0, "wrong": 0} for way in ("number", "count", "time")}
    history = files.perform("history", path=SHARED, limit=1000)
    for way in [*found] * (plan.rollbacks // len(found)):
        version = random.choice(history)
        then = files.read(SHARED, version=version["version"])
        newest = files.perform("stat", path=SHARED)["version"]
        args = {
            "number": {"to": version["version"]},
            "count": {"versions": newest - version["version"]},
            "time": {"before": version["created_at"]},
        }
        told = files.perform("rollback", path=SHARED, **args[way])
        found[way]["tried"] += 1
        found[way]["wrong"] += files.read(SHARED) != then or told["restored"] != version["version"]
    return found


def keep(found: JsonObject, answers: Sequence[Answer], folder: Path) -> None:
    """Write a row for each question that was asked, and the findings."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "storage.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Answer._fields)
        writer.writerows(answers)
    (folder / "storage.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
