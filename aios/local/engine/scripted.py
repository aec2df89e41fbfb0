"""The scripted engine: answers and faults by schedule, for tests that need to know what a model said and when."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from jsonschema import Draft202012Validator

from aios.local.engine import schema
from aios.local.engine.refusal import Cut, failed
from aios.local.engine.script import Rule, Script, choose
from aios.local.engine.simulated import spell
from aios.local.engine.unmodelled import Unmodelled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from aios.local.engine.call import Call, Grammar, Token

_NO_RULE = Rule()


class Scripted(Unmodelled):
    """The backend that plays a script."""

    def __init__(self, *, script: Script, context: int) -> None:
        super().__init__(name="aios/scripted", context=context)
        self.script = script
        self.calls = 0
        self.used: dict[int, int] = {}

    def load(self, script: Script) -> None:
        """Take over the parts of a script that are given; new rules start all counts anew."""
        given = {name: getattr(script, name) for name in script.model_fields_set}
        self.script = self.script.model_copy(update=given)
        if "rules" in given:
            self.calls = 0
            self.used = {}

    def queued(self) -> int:
        """Nothing waits here."""
        return 0

    def generate(self, call: Call) -> AsyncGenerator[Sequence[Token], None]:
        """Start what the script says.

        Raises:
            Refusal: the script says so.
        """
        self.calls += 1
        chosen = choose(self.script.rules, prompt=call.prompt.text, call=self.calls, used=self.used)
        rule = chosen.rule if chosen else _NO_RULE
        text = rule.text(call.prompt.text)
        # A plain answer under a tool grammar waits for the generation that follows "no tool".
        held = rule.status is None and call.grammar is not None and not fits(text, call.grammar)
        if chosen and not held:
            self.used[chosen.place] = self.used.get(chosen.place, 0) + 1
        refusal = rule.refusal()
        if refusal is not None:
            raise refusal
        if held and call.grammar is not None:
            text = schema.smallest(call.grammar.source)
        return self._play(rule, call, text)

    async def _play(self, rule: Rule, call: Call, text: str) -> AsyncGenerator[Sequence[Token], None]:
        tokens = list(spell(text, limit=call.max_new_tokens))
        pause = self.script.token_ms / 1000 if rule.token_seconds is None else rule.token_seconds
        delay = rule.delay_seconds + self.script.latency_ms / 1000
        if delay:
            yield ()
            await asyncio.sleep(delay)
        if rule.hang:
            await asyncio.Event().wait()
        if not pause and rule.cut_after_tokens is None and rule.error_after_tokens is None:
            yield tokens
            return
        for number, token in enumerate(tokens):
            _mid_stream_fault(rule, number)
            await asyncio.sleep(pause if number else 0)
            yield (token,)
        _mid_stream_fault(rule, None)


def _mid_stream_fault(rule: Rule, number: int | None) -> None:
    """Raise what is due after `number` tokens; `None` is the end, where everything that is due is overdue."""
    for due, fault in ((rule.cut_after_tokens, Cut()), (rule.error_after_tokens, failed("scripted"))):
        if due is not None and (number is None or number == due):
            raise fault


def fits(text: str, grammar: Grammar) -> bool:
    """Whether a text is JSON that fits a grammar's schema."""
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return bool(Draft202012Validator(json.loads(grammar.source)).is_valid(value))
