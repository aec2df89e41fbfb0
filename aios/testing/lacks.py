"""What a test did not provide for, or a fake does not do: said to the test, never to the program."""

from __future__ import annotations


class NotFaked(AssertionError):
    """`NotFaked(what, remedy)`: the program asks for something that nobody here can answer. No program can catch it."""

    def __str__(self) -> str:
        """What is missing, and what to do."""
        what, remedy = self.args
        return f"nothing here stands for {what}: {remedy}"
