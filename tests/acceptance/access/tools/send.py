"""A tool whose effect anybody can count."""

import os
from pathlib import Path

from aios.tools.tool import tool


@tool(effect="once")
def send_once(text: str) -> str:
    """Append a line to a file outside of all databases."""
    with Path(os.environ["SENT_FILE"]).open("a") as file:
        file.write(f"{text}\n")
    return f"sent {text}"
