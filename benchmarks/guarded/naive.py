"""The access decision as one would say it: slow, obvious, and written independently of the kernel's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from aios.kernel.access import Ask, Rule, Subject


def regex(pattern: str) -> re.Pattern[str]:
    """A rule's pattern as a regular expression."""
    if pattern == "*":
        return re.compile(r".*", re.DOTALL)
    kind, _, rest = pattern.partition(":")
    parts = rest.split("/")
    text, first = re.escape(kind) + ":", True
    for place, part in enumerate(parts):
        if part == "**":
            last = place == len(parts) - 1
            if first:
                text += ".*" if last else r"(?:[^/]*/)*"
            else:
                text += r"(?:/.*)?" if last else r"(?:/[^/]*)*"
            continue
        text += ("" if first else "/") + "[^/]*".join(re.escape(piece) for piece in part.split("*"))
        first = False
    return re.compile(text, re.DOTALL)


def allowed(
    subject: Subject, ask: Ask, rules: Iterable[Rule], groups_of: Mapping[str, Iterable[str]], *, now: datetime
) -> bool:
    """Whether a subject may do what it asks: no deny, and its own or an allow."""
    mine = {f"agent:{subject.agent}", f"tenant:{subject.tenant}"}
    if subject.owner:
        mine.add(f"user:{subject.owner}")
    groups = set(subject.groups).union(*(groups_of.get(one, ()) for one in mine))
    mine |= {f"group:{name}" for name in groups}
    fitting = [
        rule
        for rule in rules
        if rule.principal in mine
        and rule.operation in ("*", ask.operation)
        and (rule.expires_at is None or rule.expires_at > now)
        and regex(rule.pattern).fullmatch(ask.resource)
    ]
    if any(not rule.allow for rule in fitting):
        return False
    own = [f"memory:agent/{subject.agent}", f"file:/agents/{subject.agent}/.*", f"agent:{subject.agent}", "tool:.*"]
    own += [one for name in groups for one in (f"memory:group/{name}", f"file:/groups/{name}/.*")]
    return bool(fitting) or any(re.fullmatch(one, ask.resource) for one in own)
