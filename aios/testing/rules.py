"""A fake of the access rules."""

from __future__ import annotations

from dataclasses import replace

from aios.kernel.access import Book, Rule, check_operation, check_pattern, check_principal


class FakeRules:
    """`Rules` that a test makes and changes; nothing expires but by the `now` that a decision is given.

    Attributes:
        version: how often they were changed.
        asked: the versions that were asked for, in order.
    """

    def __init__(self, *rules: Rule) -> None:
        """Begin with some rules."""
        self.version = 0
        self.asked: list[int] = []
        self._book = Book()
        for rule in rules:
            self.grant(rule.principal, rule.operation, rule.pattern, deny=not rule.allow)

    def grant(self, principal: str, operation: str, resource: str, *, deny: bool = False) -> Rule:
        """Add a rule.

        Raises:
            InvalidArgument: it cannot be one.
        """
        rule = Rule(check_principal(principal), check_operation(operation), check_pattern(resource), not deny)
        self._change(rules={**self._book.rules, principal: [*self._book.rules.get(principal, ()), rule]})
        return rule

    def revoke(self, rule: Rule) -> None:
        """Remove a rule."""
        left = [one for one in self._book.rules.get(rule.principal, ()) if one is not rule]
        self._change(rules={**self._book.rules, rule.principal: left})

    def join(self, group: str, member: str) -> None:
        """Add a principal to a group."""
        groups = self._book.groups.get(check_principal(member), frozenset())
        self._change(groups={**self._book.groups, member: groups | {group}})

    def book(self, version: int) -> Book:
        """All rules and groups."""
        self.asked.append(version)
        return self._book

    def _change(self, **changes: object) -> None:
        self.version += 1
        self._book = replace(self._book, version=self.version, **changes)  # type: ignore[arg-type]  # its own fields
