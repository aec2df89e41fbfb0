"""One log format for every process: time, level, process, event, then `key=value` pairs; JSON lines on request."""

from __future__ import annotations

import json
import logging
import sys
from typing import Literal

_CHATTY = ("alembic", "httpx2", "celery.worker.strategy", "celery.app.trace", "kombu")
"""Loggers that tell every message or every HTTP call at INFO; they are heard at DEBUG."""


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {"at": self.formatTime(record), "level": record.levelname.lower(), "logger": record.name}
        fields["event"] = record.getMessage()
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def configure(*, level: str = "INFO", style: Literal["text", "json"] = "text") -> None:
    """Send the log of this process to standard error, once."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(_Json() if style == "json" else text)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel("DEBUG" if level == "DEBUG" else "WARNING")


def logger(name: str) -> logging.Logger:
    """The logger that a module keeps as `log`."""
    return logging.getLogger(name)
