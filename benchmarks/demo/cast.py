"""Who is on stage: agents of the programs that ship, with different priorities: a dozen, or half of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aios.kernel.values import Json


@dataclass(frozen=True)
class Part:
    """One agent to submit. Priority 0 is the most urgent, 9 the least."""

    program: str
    task: Json
    priority: int


SUMS = {"items": ["12 * 12", "15 + 27", "7 * 8"], "program": "react", "each": "What is {item}?"}
RIVER = {"task": "Write one sentence about a river.", "contains": ["river"], "at_most": 60}
PETS = {"task": "Write one sentence about a cat and a dog.", "contains": ["cat", "dog"], "at_most": 60}

# The least urgent first: that the others are served before them is the scheduler's doing.
CAST = (
    Part("echo", "Name one fruit.", 9),
    Part("echo", "Name one colour.", 8),
    Part("react", "How many words are in 'the quick brown fox'?", 7),
    Part("react", "Reverse the text 'celery'.", 7),
    Part("reflexion", PETS, 6),
    Part("reflexion", RIVER, 6),
    Part("react", "A box holds 24 eggs. How many eggs are in 13 boxes?", 5),
    Part("map_reduce", SUMS, 4),
    Part("react", "What time is it in Tokyo?", 3),
    Part("react", "What is 17 * 23?", 2),
    Part("echo", "Say good morning.", 1),
    Part("echo", "Say hello.", 0),
)

ONE_SUM = {**SUMS, "items": ["12 * 12"]}
SHORT = (
    Part("echo", "Name one colour.", 8),
    Part("reflexion", RIVER, 6),
    Part("map_reduce", ONE_SUM, 4),
    Part("react", "What is 17 * 23?", 2),
    Part("echo", "Say good morning.", 1),
    Part("echo", "Say hello.", 0),
)
