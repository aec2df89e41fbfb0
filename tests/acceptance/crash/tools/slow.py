"""A tool that takes long enough to be killed in."""

import time

from aios.tools.tool import tool


@tool
def slow_square(n: int) -> int:
    """The square of a number, after a moment."""
    time.sleep(0.2)
    return n * n
