"""`python -m aios.local.engine`."""

from __future__ import annotations

import sys

from aios.errors import AiosError
from aios.local.engine.options import parse
from aios.local.engine.server import serve

if __name__ == "__main__":
    try:
        serve(parse())
    except AiosError as error:
        sys.exit(f"aios engine: {error}")
