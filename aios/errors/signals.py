"""Signals: control flow that is no error."""

from __future__ import annotations


class Signal(BaseException):
    """Control flow that is no error. A program that catches it must raise it again."""


class Evicted(Signal):
    """The coroutine is dropped while its request is pending; `finally` blocks run, their requests are not journalled."""


class Ignored(Signal):
    """This delivery has nothing to do: a duplicate, stale or pre-empted message. `tasks` turns it into Celery's Ignore."""
