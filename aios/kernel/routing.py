"""Routing: which cores serve a model, and which of them a call goes to. Pure.

Calls with an equal prefix go to the same core, whose cache has it already: each core draws a number from the prefix, and the
highest wins, so that a core that comes or goes moves only its own share (rendezvous hashing). No core gets more than 1.25
times its fair share of what runs (bounded load), so that a popular prefix cannot drown one while others idle.

Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998 (rendezvous hashing); Mirrokni, Thorup
and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from aios.errors import InvalidArgument
from aios.kernel.thrift import Offer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aios.kernel.ports import Prompt

DEFAULT: Final = "default"
"""The name of the core that `engine_url` makes."""

_TEXT_PREFIX: Final = 512  # characters of a plain completion that count as its prefix
_CHARS_PER_TOKEN: Final = 4
_ANSWER_TOKENS: Final = 256  # of an answer whose length nobody limits
_LOAD = (5, 4)  # 1.25, in whole numbers: Lua and Python must agree to the last bit


class CoreKind(StrEnum):
    """What a core speaks."""

    TGI = "tgi"
    OPENAI = "openai"


class CoreState(StrEnum):
    """What an operator wants of a core: `draining` ends what runs and takes nothing new."""

    ACTIVE = "active"
    DRAINING = "draining"


class Origin(StrEnum):
    """Where a core is declared."""

    DEFAULT = "default"
    CONFIG = "config"
    TABLE = "table"


@dataclass(frozen=True)
class Core:
    """One LLM endpoint.

    Attributes:
        model: the model it serves; empty: whatever it says that it serves.
        aliases: other names that it answers to; several cores may share one.
        slots: calls in flight at most.
        key_env: the environment variable with its API key; the key itself is stored nowhere.
        context_tokens: prompt and answer together; 0: as the core says.
        cost_prompt: what 1,000 tokens of a prompt cost, in one currency for all cores; 0: nothing, or nobody said.
        cost_completion: the same of an answer.
        quality: how good its answers are, from 0 to 1; 0: nobody said.
    """

    name: str
    url: str
    kind: CoreKind = CoreKind.TGI
    model: str = ""
    aliases: tuple[str, ...] = ()
    slots: int = 4
    key_env: str = ""
    context_tokens: int = 0
    cost_prompt: float = 0.0
    cost_completion: float = 0.0
    quality: float = 0.0
    state: CoreState = CoreState.ACTIVE
    origin: Origin = Origin.TABLE

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a caller may ask for it by."""
        return tuple(name for name in (self.model, *self.aliases, self.name) if name)


class Load(NamedTuple):
    """How busy a core is."""

    used: int
    slots: int


def merged(declared: Iterable[Core], stored: Iterable[Core]) -> list[Core]:
    """Cores of the configuration and of the table; where both have a name the table's counts.

    One of the table that has no URL tells only the state of the configuration's.
    """
    cores = {core.name: core for core in declared}
    for core in stored:
        if core.url:
            cores[core.name] = core
        elif core.name in cores:
            cores[core.name] = replace(cores[core.name], state=core.state)
    return [cores[name] for name in sorted(cores)]


def serving(cores: Iterable[Core], model: str) -> list[Core]:
    """The cores that answer to a model's name; every core answers to the empty one."""
    return [core for core in cores if not model or model in core.names]


def known_names(cores: Iterable[Core]) -> list[str]:
    """Every name that some core answers to."""
    return sorted({name for core in cores for name in core.names})


def slots(cores: Iterable[Core]) -> int:
    """What may be granted at once: the slots of all cores that take calls."""
    return sum(core.slots for core in cores if core.state is CoreState.ACTIVE)


def prefix(prompt: Prompt) -> bytes:
    """What calls must have in common to share a core's cache: model, tools, and how their conversation begins."""
    if prompt.text is not None:
        begins: object = prompt.text[:_TEXT_PREFIX]
    else:
        first = next((place for place, message in enumerate(prompt.messages) if message["role"] != "system"), 0)
        begins = list(prompt.messages[: first + 1])
    parts = [prompt.model, [tool.name for tool in prompt.tools], begins]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=16).digest()


def ranked(prefix: bytes, cores: Iterable[Core]) -> list[Core]:
    """The cores in the order in which a prefix prefers them, each first as often as it has slots."""
    return sorted(cores, key=lambda core: (_draw(prefix, core), core.name), reverse=True)


def good_enough(choices: Sequence[Sequence[Core]], quality: float) -> list[list[Core]]:
    """Of each choice the cores that declare at least that quality.

    Raises:
        InvalidArgument: there are cores, and none does.
    """
    found = [[core for core in cores if core.quality >= quality] for cores in choices]
    if any(choices) and not any(found):
        best = max((core for cores in choices for core in cores), key=lambda core: core.quality)
        most = f"{best.quality:g} ({best.name})" if best.quality else "nothing: `aios cores add --quality`"
        raise InvalidArgument("quality", quality, f"the most that a core of the model declares is {most}")
    return found


def offers(cores: Iterable[Core], prompt: Prompt) -> list[Offer]:
    """What each core takes for a call, in about as many tokens as it will have, and the quality that it declares."""
    texts = [prompt.text or "", *(str(message.get("content", "")) for message in prompt.messages)]
    asked = sum(map(len, texts)) / _CHARS_PER_TOKEN
    answered = prompt.sampling.max_tokens or _ANSWER_TOKENS
    return [Offer((asked * core.cost_prompt + answered * core.cost_completion) / 1000, core.quality) for core in cores]


def _draw(prefix: bytes, core: Core) -> float:
    digest = hashlib.blake2b(core.name.encode(), key=prefix, digest_size=8).digest()
    number = (int.from_bytes(digest, "big") + 1) / (2**64 + 2)  # within (0, 1)
    return -core.slots / math.log(number)


def pick(loads: Sequence[Load], *, spread: bool = True) -> int | None:
    """Which of the ranked cores takes one more call: the first within its bound, else the first with a free slot.

    Args:
        loads: of the cores, the preferred one first.
        spread: whether there is a bound at all.
    """
    share, total = sum(load.slots for load in loads), sum(load.used for load in loads) + 1
    over, under = _LOAD
    for place, load in enumerate(loads if spread else ()):
        bound = -(-over * total * load.slots // (under * share)) if share else 0
        if load.used < min(load.slots, bound):
            return place
    return next((place for place, load in enumerate(loads) if load.used < load.slots), None)
