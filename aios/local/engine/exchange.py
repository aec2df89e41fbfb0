"""One HTTP call to the engine, from its admission to its end: the permit, the log lines, the metrics, the times."""

from __future__ import annotations

from hashlib import sha256
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from aios.local.engine.generation import Generation
from aios.local.engine.refusal import Refusal, overloaded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.local.engine.backend import Backend
    from aios.local.engine.call import Call
    from aios.local.engine.call_log import CallLog
    from aios.local.engine.metrics import Metrics

Outcome = Literal["ok", "disconnected", "error"]

# TGI's label of a failure, by error type.
_FAILURES = {"generation": "generation", "overloaded": "overloaded", "template_error": "template"}


class Door:
    """Admits at most `limit` calls; the others are refused at once, before anything of them is looked at."""

    def __init__(self, *, limit: int, log: CallLog, metrics: Metrics) -> None:
        self.limit = limit
        self.inside = 0
        self.calls = 0
        self.log = log
        self.metrics = metrics

    def open(self, *, route: str, headers: Mapping[str, str]) -> Exchange:
        """Admit a call; it stays inside until its `close`.

        Raises:
            Refusal: `limit` calls are inside.
        """
        self.metrics.requests += 1
        self.calls += 1
        labels = {"call": self.calls, "route": route}
        if self.log.kept:
            labels |= {"syscall": headers.get("x-aios-syscall"), "claim": headers.get("x-aios-claim")}
        if self.inside >= self.limit:
            self.metrics.failures["overloaded"] += 1
            self.log.write("refused", **labels, error_type="overloaded")
            raise overloaded()
        self.inside += 1
        return Exchange(door=self, labels=labels)


class Exchange:
    """An admitted call."""

    def __init__(self, *, door: Door, labels: Mapping[str, object]) -> None:
        self.generations: list[Generation] = []
        self._door = door
        self._labels = labels
        self._opened_at = perf_counter()
        self._begun_at: float | None = None
        self._failure: Refusal | None = None
        self._finished = False
        self._closed = False

    def generate(self, call: Call, *, backend: Backend) -> Generation:
        """Give a validated call to the backend (for the second generation of a chat: once more).

        Raises:
            Refusal: the backend refuses it.
        """
        self._begun_at = self._begun_at or perf_counter()
        self._log_start(call)
        generation = Generation(call=call, source=backend.generate(call))
        self.generations.append(generation)
        return generation

    def finish(self) -> None:
        """Note that the answer is complete; what is left is its way to the client."""
        self._finished = True

    def fail(self, refusal: Refusal) -> None:
        """Note the error that the client is told."""
        self._failure = refusal

    def times(self) -> dict[str, float]:
        """Seconds: `total`, `validation`, `queue`, `inference`, `per_token`."""
        now = perf_counter()
        begun = self._begun_at or now
        admitted = [g.admitted_at for g in self.generations if g.admitted_at is not None]
        started = min(admitted) if admitted else now
        tokens = sum(len(g.tokens) for g in self.generations)
        return {
            "total": now - self._opened_at,
            "validation": begun - self._opened_at,
            "queue": started - begun,
            "inference": now - started,
            "per_token": (now - started) / max(1, tokens),
        }

    def close(self) -> None:
        """Give the permit back and record how it ended; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._door.inside -= 1
        self._count()
        if self._begun_at is not None or self._failure is not None:
            kind = self._failure.kind if self._failure else None
            tokens = sum(len(g.tokens) for g in self.generations)
            self._door.log.write("end", **self._labels, outcome=self.outcome, tokens=tokens, error_type=kind)

    @property
    def outcome(self) -> Outcome:
        """How it ended, as far as is known by now."""
        if self._failure is not None:
            return "error"
        return "ok" if self._finished else "disconnected"

    def _log_start(self, call: Call) -> None:
        if self._door.log.kept:
            self._door.log.write(
                "start",
                **self._labels,
                prompt_sha256=sha256(call.prompt.text.encode()).hexdigest(),
                input_tokens=call.prompt.tokens,
                max_new_tokens=call.max_new_tokens,
            )

    def _count(self) -> None:
        metrics = self._door.metrics
        if self.outcome == "ok":
            metrics.successes += 1
        elif self._failure is not None:
            metrics.failures[_FAILURES.get(self._failure.kind, _general(self._failure))] += 1
        else:
            metrics.failures["dropped"] += 1
        if self.outcome == "ok":
            self._measure()

    def _measure(self) -> None:
        metrics, times = self._door.metrics, self.times()
        metrics.add("duration", times["total"])
        metrics.add("validation_duration", times["validation"])
        metrics.add("queue_duration", times["queue"])
        metrics.add("inference_duration", times["inference"])
        metrics.add("mean_time_per_token_duration", times["per_token"])
        metrics.add("input_length", sum(g.call.prompt.tokens for g in self.generations))
        metrics.add("generated_tokens", sum(len(g.tokens) for g in self.generations))


def _general(refusal: Refusal) -> str:
    return "validation" if refusal.status == 422 else "incomplete"  # noqa: PLR2004  # HTTP's number for it
