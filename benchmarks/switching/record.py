"""What came of each round of a cell, as lines of a file: a run that was cut goes on behind its last round."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from aios.kernel.values import JsonObject

INTERRUPTIONS: Final = ("preempted", "cut", "killed_worker", "killed_engine", "refilled")
_COUNTS: Final = ("generations", "identical", *INTERRUPTIONS, "tokens", "generated")


class Place(NamedTuple):
    """Which cell of E4 a round is of: an engine, so many slots and generations at once, and how they are resumed."""

    engine: str
    busy: int
    level: str


@dataclass(frozen=True)
class Round:
    """What came of one round.

    Attributes:
        seed: of its prompts and interruptions.
        generations: that were told twice, undisturbed and interrupted.
        identical: those with the same tokens and the same text.
        preempted: they left at a slice's end.
        cut: they were cancelled at any token.
        refilled: their tokens were evaluated again.
        tokens: of all answers.
        generated: tokens that the engine computed for the interrupted ones.
        state_tokens: of the greatest state that was saved.
    """

    engine: str
    busy: int
    level: str
    seed: int
    generations: int = 0
    identical: int = 0
    preempted: int = 0
    cut: int = 0
    killed_worker: int = 0
    killed_engine: int = 0
    refilled: int = 0
    tokens: int = 0
    generated: int = 0
    state_tokens: int = 0
    state_bytes: int = 0
    save_ms: float = 0.0

    @property
    def place(self) -> Place:
        """Its cell."""
        return Place(self.engine, self.busy, self.level)

    @property
    def interruptions(self) -> int:
        """All of them."""
        return sum(int(getattr(self, name)) for name in INTERRUPTIONS)

    @classmethod
    def of_row(cls, row: JsonObject) -> Round:
        """A line of the file."""
        kinds = {"engine": str, "level": str, "save_ms": float}
        return cls(**{name: kinds.get(name, int)(value) for name, value in row.items()})


@dataclass
class Record:
    """The rounds of a run.

    Attributes:
        path: where they are kept.
        rounds: all that there are.
    """

    path: Path
    rounds: list[Round] = field(default_factory=list)

    @classmethod
    def at(cls, path: Path, *, resume: bool) -> Record:
        """A new one in place of what is there, or what is there, to go on."""
        if resume and path.exists():
            with path.open(newline="") as file:
                return cls(path, [Round.of_row(row) for row in csv.DictReader(file)])
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            csv.writer(file).writerow(Round.__dataclass_fields__)
        return cls(path)

    def of(self, place: Place) -> list[Round]:
        """The rounds of one cell."""
        return [one for one in self.rounds if one.place == place]

    def add(self, done: Round) -> None:
        """Keep a round."""
        self.rounds.append(done)
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow(asdict(done).values())


def summed(rounds: Iterable[Round]) -> JsonObject:
    """Rounds together, for the report."""
    given = list(rounds)
    sums = {name: sum(int(getattr(one, name)) for one in given) for name in _COUNTS}
    twice = max(0, sums["generated"] - sums["tokens"])
    return {
        "generations": sums["generations"],
        "identical": sums["identical"],
        "share_identical": sums["identical"] / max(1, sums["generations"]),
        "interruptions": sum(one.interruptions for one in given),
        "kills": sums["killed_worker"] + sums["killed_engine"],
        "by_kind": {name: sums[name] for name in INTERRUPTIONS if sums[name]},
        "share_computed_twice": round(twice / max(1, sums["tokens"]), 4),
    }


def snapshot(rounds: Sequence[Round]) -> JsonObject:
    """Size and time of the greatest state that was saved."""
    greatest = max(rounds, key=lambda one: one.state_tokens)
    return {
        "tokens": greatest.state_tokens,
        "bytes": greatest.state_bytes,
        "bytes_per_token": round(greatest.state_bytes / max(1, greatest.state_tokens)),
        "save_ms": greatest.save_ms,
    }
