"""The command line in this process."""

from tests.cli import aios

__all__ = ["aios"]
