"""`python -m aios.local.engine`."""

from __future__ import annotations

from aios.local.engine.options import parse
from aios.local.engine.server import serve

if __name__ == "__main__":
    serve(parse())
