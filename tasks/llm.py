"""The pool `llm`. Model calls."""

from celery.app.task import Task

from aios.kernel.words import Pool
from tasks.application import app, execute


@app.task(name="aios.llm.chat", bind=True)  # type: ignore[untyped-decorator]  # celery has no types
def chat(self: Task, syscall: str) -> None:
    """Answer a conversation."""
    execute(self, syscall, pool=Pool.LLM)


@app.task(name="aios.llm.complete", bind=True)  # type: ignore[untyped-decorator]  # celery has no types
def complete(self: Task, syscall: str) -> None:
    """Continue a text."""
    execute(self, syscall, pool=Pool.LLM)
