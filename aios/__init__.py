"""An operating system for LLM agents: durable syscalls on Celery worker pools, with the truth in Postgres."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aios.errors import AiosError
    from aios.kernel.agent import Agent
    from aios.kernel.chat import Reply, Sampling, ToolCall, Usage
    from aios.kernel.program import Program, program
    from aios.kernel.recall import AutoMemory, Recall, Remember
    from aios.kernel.resources.files import FileInfo
    from aios.kernel.resources.memory import Block, Note
    from aios.sdk.aio import AsyncClient
    from aios.sdk.client import Client, Result

__all__ = [
    "Agent",
    "AiosError",
    "AsyncClient",
    "AutoMemory",
    "Block",
    "Client",
    "FileInfo",
    "Note",
    "Program",
    "Recall",
    "Remember",
    "Reply",
    "Result",
    "Sampling",
    "ToolCall",
    "Usage",
    "program",
]

_HOMES = {
    "Agent": "aios.kernel.agent",
    "AiosError": "aios.errors",
    "AsyncClient": "aios.sdk.aio",
    "AutoMemory": "aios.kernel.recall",
    "Block": "aios.kernel.resources.memory",
    "Client": "aios.sdk.client",
    "FileInfo": "aios.kernel.resources.files",
    "Note": "aios.kernel.resources.memory",
    "Program": "aios.kernel.program",
    "Recall": "aios.kernel.recall",
    "Remember": "aios.kernel.recall",
    "Reply": "aios.kernel.chat",
    "Result": "aios.sdk.client",
    "Sampling": "aios.kernel.chat",
    "ToolCall": "aios.kernel.chat",
    "Usage": "aios.kernel.chat",
    "program": "aios.kernel.program",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: `aios --help` and the engine must not wait for SQLAlchemy and Celery."""
    if name not in _HOMES:
        raise AttributeError(f"module 'aios' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
