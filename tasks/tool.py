"""The pool `tool`. Tools: one that a program calls, or all that a model asked for."""

from celery.app.task import Task

from aios.kernel.words import Pool
from tasks.application import app, execute


@app.task(name="aios.tool.call", bind=True)  # type: ignore[untyped-decorator]  # celery has no types
def call(self: Task, syscall: str) -> None:
    """Call one tool."""
    execute(self, syscall, pool=Pool.TOOL)


@app.task(name="aios.tool.run", bind=True)  # type: ignore[untyped-decorator]  # celery has no types
def run(self: Task, syscall: str) -> None:
    """Run the tools that the request's reply asks for."""
    execute(self, syscall, pool=Pool.TOOL)
