"""An operating system for LLM agents: durable syscalls on Celery worker pools, with the truth in Postgres."""

from aios.errors import AiosError
from aios.kernel.agent import Agent, FileInfo, Note
from aios.kernel.chat import Reply, Sampling, ToolCall, Usage
from aios.kernel.program import Program, program
from aios.sdk.client import Client, Result

__all__ = [
    "Agent",
    "AiosError",
    "Client",
    "FileInfo",
    "Note",
    "Program",
    "Reply",
    "Result",
    "Sampling",
    "ToolCall",
    "Usage",
    "program",
]
