"""The script of the scripted engine: which prompt, or which call, gets which answer or fault.

A script is JSON: `{"rules": [...], "latency_ms": 5, "token_ms": 1, "healthy": true, "replay": [...]}`. The first rule that
applies to a call decides; without one the answer is `echo: ` and the last 64 characters of the prompt (of a chat: of its
last turn). Parts of an `answer` in braces stand for the groups of `match`, `{0}` for the first: an answer can be a pure
function of the prompt. Where a pattern matches several times, the last time counts: it is nearest to the question.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

from aios.local.engine.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

_GROUP = re.compile(r"\{(\d+)\}")
_ECHO_CHARACTERS = 64
# The last turn of a templated chat: an echo of the template would say nothing of the question.
_LAST_TURN = re.compile(
    r"<\|im_start\|>\w+\n((?:(?!<\|im_start\|>).)*)<\|im_end\|>\n<\|im_start\|>assistant\n$", re.DOTALL
)
_KINDS = {429: "overloaded", 424: "generation", 422: "validation", 503: "healthcheck"}
_TEXTS = {429: "Model is overloaded", 424: "Request failed during generation: scripted", 503: "unhealthy"}


class ToolAnswer(BaseModel):
    """A tool call as an answer."""

    model_config = ConfigDict(extra="forbid")
    name: str
    arguments: dict[str, object] = {}


class Rule(BaseModel):
    """When (`match`, `contains`, `calls`, `times`) and what (all others); several whens must all hold."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    match: str | None = Field(None, description="Regular expression, searched in the prompt.")
    contains: str | None = Field(None, description="Text that stands in the prompt.")
    calls: list[int] | None = Field(None, description="Numbers of calls, from 1, counted since the last script.")
    times: int | None = Field(None, description="Applies to so many calls at most.")

    answer: str | None = Field(None, description="Text of the answer; {0} is the first group of `match`.")
    value: object = Field(None, alias="json", description="The answer as a JSON value.")
    tool: ToolAnswer | None = Field(None, description="The answer as a tool call, in TGI's grammar of tools.")
    delay_seconds: float = Field(0.0, description="Before the first token.")
    token_seconds: float | None = Field(None, description="Between two tokens; default: the script's `token_ms`.")
    hang: bool = Field(default=False, description="Never a token, until the client leaves.")
    status: int | None = Field(None, description="Fail with this status: 429, 424, 422, 500, 503...")
    at_http: bool = Field(
        default=False, description="Give a stream, too, the real status (TGI: 200 and an error frame)."
    )
    retry_after_seconds: int | None = Field(None, description="With `status`: a Retry-After header; implies `at_http`.")
    error_after_tokens: int | None = Field(None, description="Error frame in the stream after so many tokens.")
    cut_after_tokens: int | None = Field(None, description="Close the connection after so many tokens.")

    @field_validator("match")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return pattern

    def applies(self, *, prompt: str, call: int) -> bool:
        """Whether it applies to a prompt and the number of a call."""
        if self.calls is not None and call not in self.calls:
            return False
        if self.contains is not None and self.contains not in prompt:
            return False
        return self.match is None or re.search(self.match, prompt) is not None

    def text(self, prompt: str) -> str:
        """The answer's text."""
        if self.tool is not None:
            return json.dumps({"function": {"_name": self.tool.name, **self.tool.arguments}}, ensure_ascii=False)
        if "value" in self.model_fields_set:
            return json.dumps(self.value, ensure_ascii=False)
        if self.answer is None:
            return echo(prompt)
        return _GROUP.sub(lambda hole: self._group(prompt, int(hole[1])), self.answer)

    def refusal(self) -> Refusal | None:
        """The fault in place of an answer."""
        if self.status is None:
            return None
        headers = {} if self.retry_after_seconds is None else {"retry-after": str(self.retry_after_seconds)}
        return Refusal(
            _KINDS.get(self.status, "incomplete_generation"),
            _TEXTS.get(self.status, "Scripted fault"),
            status=self.status,
            at_http=self.at_http or bool(headers),
            headers=headers,
        )

    def _group(self, prompt: str, number: int) -> str:
        found = list(re.finditer(self.match or "(?!)", prompt))
        if not found or number >= len(found[-1].groups()):
            return f"{{{number}}}"
        return found[-1][number + 1] or ""


class Script(BaseModel):
    """The whole; a part that is not given stays as it was."""

    model_config = ConfigDict(extra="forbid")

    rules: list[Rule] = []
    latency_ms: float = 0.0
    token_ms: float = 0.0
    healthy: bool = True
    replay: list[object] = Field([], description="Recorded answers, one per call, before any rule.")


class Chosen(NamedTuple):
    """A rule and its place in the script."""

    place: int
    rule: Rule


def choose(rules: Iterable[Rule], *, prompt: str, call: int, used: dict[int, int]) -> Chosen | None:
    """The first rule that applies; `used` counts how often each was, by place."""
    for place, rule in enumerate(rules):
        spent = rule.times is not None and used.get(place, 0) >= rule.times
        if not spent and rule.applies(prompt=prompt, call=call):
            return Chosen(place, rule)
    return None


def echo(prompt: str) -> str:
    """The answer where no rule says another."""
    turn = _LAST_TURN.search(prompt)
    return "echo: " + (turn[1] if turn else prompt)[-_ECHO_CHARACTERS:]
