"""What a syscall will need, learned from what others of its kind have had. Pure; the ready sets do the same in Lua."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_MEMORY: Final = 20
_QUANTILE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Estimate:
    """The service and the tokens of one kind of syscall: an operation of a program.

    Attributes:
        count: calls that it was learned from; more than 20 count as 20, so that it follows a change.
        seconds: mean service.
        tokens: what nine of ten calls stay below.
    """

    count: int = 0
    seconds: float = 0.0
    tokens: float = 0.0

    def learn(self, *, served_seconds: float, tokens: int) -> Estimate:
        """With one more call.

        Source: stochastic approximation of a quantile (Robbins, Monro, 1951), with steps of a tenth of it.
        """
        count = min(self.count + 1, _MEMORY)
        known = self.tokens if self.count else float(tokens)
        weight = _QUANTILE if tokens > known else _QUANTILE - 1 if tokens < known else 0.0
        return Estimate(
            count=count,
            seconds=self.seconds + (served_seconds - self.seconds) / count,
            tokens=max(0.0, known + max(1.0, known / 10) * weight),
        )
