"""The counters behind `/metrics`, in Prometheus' text format and under TGI's names."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TOKENS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0)


@dataclass(slots=True)
class Histogram:
    """A distribution, kept as counts per bucket."""

    bounds: tuple[float, ...]
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str) -> list[str]:
        """The metric as Prometheus reads it."""
        lines = [f"# TYPE {name} histogram"]
        seen = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            seen += count
            label = "+Inf" if bound == float("inf") else f"{bound:g}"
            lines.append(f'{name}_bucket{{le="{label}"}} {seen}')
        return [*lines, f"{name}_sum {self.total:g}", f"{name}_count {seen}"]


class Metrics:
    """What the router counts."""

    def __init__(self) -> None:
        self.requests = 0
        self.successes = 0
        self.failures: Counter[str] = Counter()
        self.histograms = {
            "tgi_request_duration": Histogram(_SECONDS),
            "tgi_request_validation_duration": Histogram(_SECONDS),
            "tgi_request_queue_duration": Histogram(_SECONDS),
            "tgi_request_inference_duration": Histogram(_SECONDS),
            "tgi_request_mean_time_per_token_duration": Histogram(_SECONDS),
            "tgi_request_input_length": Histogram(_TOKENS),
            "tgi_request_generated_tokens": Histogram(_TOKENS),
        }

    def add(self, name: str, value: float) -> None:
        """Count a value of the histogram `tgi_request_<name>`."""
        self.histograms[f"tgi_request_{name}"].add(value)

    def text(self, *, queued: int, running: int) -> str:
        """The page."""
        lines = ["# TYPE tgi_request_count counter", f"tgi_request_count {self.requests}"]
        lines += ["# TYPE tgi_request_success counter", f"tgi_request_success {self.successes}"]
        lines.append("# TYPE tgi_request_failure counter")
        lines += [f'tgi_request_failure{{err="{kind}"}} {count}' for kind, count in sorted(self.failures.items())]
        lines += ["# TYPE tgi_queue_size gauge", f"tgi_queue_size {queued}"]
        lines += ["# TYPE tgi_batch_current_size gauge", f"tgi_batch_current_size {running}"]
        for name, histogram in self.histograms.items():
            lines += histogram.lines(name)
        return "\n".join(lines) + "\n"
