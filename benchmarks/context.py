"""Conversations longer than the window: `python -m benchmarks.context [--quick] [--json]`.

One agent talks for 1,000 turns before an engine with a window of 8,192 tokens, once under each strategy that lets turns go.
Early turns hold twenty facts; at the end it asks about each of them twice, in other words. Counted are the calls that an
engine refused for their length (none may be), how often turns were folded away, and, where they were paged out, for how many
questions the fact came back. The engine is the simulated one, without latency; Postgres, workers and embeddings are real.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from aios.db.session import Database
from benchmarks import paraphrases
from benchmarks.fleet import Fleet

_STRATEGIES = ("drop_oldest", "summarise", "page_out")
_POOLS = "agent,llm,memory,system"
_WAIT_SECONDS = 900.0

_PROMPTS = text(
    """
    SELECT max((s.usage ->> 'prompt_tokens')::int) AS longest, count(*) FILTER (WHERE s.state = 'done') AS done,
           count(*) FILTER (WHERE s.error ->> 'type' = 'ContextOverflow') AS folds,
           count(*) FILTER (WHERE s.state = 'failed' AND s.error ->> 'type' <> 'ContextOverflow') AS refused
    FROM syscalls s JOIN requests r ON r.id = s.request_id WHERE r.agent_id = :agent AND s.pool = 'llm'
    """
)
_RECALLED = text(
    """
    SELECT s.payload ->> 'query' AS question, s.result
    FROM syscalls s JOIN requests r ON r.id = s.request_id WHERE r.agent_id = :agent AND s.op = 'recall' ORDER BY s.created_at
    """
)


@dataclass(frozen=True)
class Outcome:
    """How one strategy fared.

    Attributes:
        longest_prompt_tokens: of all prompts that the engine took; with the reply it stays below the window.
        folds: how often turns were summarised or paged out.
        refused: calls that failed for another reason than being folded; 0, or the strategy does not do what it says.
        recalled: questions for which the fact came back; None where nothing is recalled.
    """

    strategy: str
    turns: int
    window_tokens: int
    ended: str
    longest_prompt_tokens: int
    generations: int
    folds: int
    refused: int
    recalled: int | None
    questions: int
    seconds: float
    missed: tuple[str, ...] = ()


def measure(fleet: Fleet, strategy: str, *, turns: int, window: int, every: int) -> Outcome:
    """Let one agent talk."""
    expected = paraphrases.questions()
    task = {"turns": paraphrases.talk(turns), "questions": list(expected), "context": strategy, "every": every}
    begun = time.monotonic()
    agent = fleet.client.submit("talker", task)
    result = fleet.client.result(agent, timeout=_WAIT_SECONDS)
    seconds = time.monotonic() - begun
    database = Database(fleet.settings.database_url)
    with database.statement() as tx:
        row = tx.execute(_PROMPTS, {"agent": agent}).one()
        found = {
            r.question: {note["content"] for note in r.result or ()} for r in tx.execute(_RECALLED, {"agent": agent})
        }
    database.close()
    missed = [question for question, fact in expected.items() if f"user: {fact}" not in found.get(question, ())]
    right = len(expected) - len(missed)
    return Outcome(
        strategy=strategy,
        turns=turns,
        window_tokens=window,
        ended=result.state.value,
        longest_prompt_tokens=row.longest,
        generations=row.done,
        folds=row.folds,
        refused=row.refused,
        recalled=right if strategy == "page_out" else None,
        questions=len(expected),
        seconds=round(seconds, 1),
        missed=tuple(missed) if strategy == "page_out" else (),
    )


def main() -> int:
    """Measure; 0 when nothing was refused and at least 95 % of the questions brought their fact back."""
    parser = argparse.ArgumentParser(prog="benchmarks.context", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="150 turns in a window of 1,024 tokens")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--every", type=int, default=1, help="the model replies to every n-th turn; other replies are given"
    )
    parser.add_argument("--strategy", choices=_STRATEGIES, action="append", help="only this one; may be repeated")
    options = parser.parse_args()
    turns, window = (150, 1024) if options.quick else (1000, 8192)
    engine = ("--zero-latency", "--context", str(window))
    with Fleet(Path(tempfile.mkdtemp(prefix="aios-context-")), slots=4, engine=engine) as fleet:
        fleet.worker("all", queues=_POOLS, concurrency=8)
        outcomes = [
            measure(fleet, strategy, turns=turns, window=window, every=options.every)
            for strategy in options.strategy or _STRATEGIES
        ]
    if options.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes]))
    else:
        Console().print(table(outcomes))
    return 0 if all(map(good, outcomes)) else 1


def good(outcome: Outcome) -> bool:
    """Whether a strategy kept its promise."""
    recalled = outcome.recalled is None or outcome.recalled >= 0.95 * outcome.questions
    return outcome.ended == "done" and not outcome.refused and recalled


def table(outcomes: list[Outcome]) -> Table:
    """The outcomes, for people."""
    made = Table(
        "strategy", "turns", "window", "longest prompt", "generations", "folds", "refused", "recalled", "seconds"
    )
    for one in outcomes:
        recalled = "" if one.recalled is None else f"{one.recalled} of {one.questions}"
        cells = (one.turns, one.window_tokens, one.longest_prompt_tokens, one.generations, one.folds, one.refused)
        made.add_row(one.strategy, *map(str, cells), recalled, str(one.seconds))
    return made


if __name__ == "__main__":
    sys.exit(main())
