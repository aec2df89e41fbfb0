"""The pool `memory`. Memories: added, found, changed and removed."""

from celery.app.task import Task

from aios.kernel.words import Pool
from tasks.application import app, execute


@app.task(name="aios.memory.add", bind=True)  # type: ignore[untyped-decorator]  # celery has no types
def add(self: Task, syscall: str) -> None:
    """Remember a text."""
    execute(self, syscall, pool=Pool.MEMORY)


@app.task(name="aios.memory.get", bind=True)  # type: ignore[untyped-decorator]  # celery has no types
def get(self: Task, syscall: str) -> None:
    """Look one memory up."""
    execute(self, syscall, pool=Pool.MEMORY)


@app.task(name="aios.memory.search", bind=True)  # type: ignore[untyped-decorator]  # celery has no types
def search(self: Task, syscall: str) -> None:
    """Find the nearest memories."""
    execute(self, syscall, pool=Pool.MEMORY)


@app.task(name="aios.memory.update", bind=True)  # type: ignore[untyped-decorator]  # celery has no types
def update(self: Task, syscall: str) -> None:
    """Change a memory."""
    execute(self, syscall, pool=Pool.MEMORY)


@app.task(name="aios.memory.remove", bind=True)  # type: ignore[untyped-decorator]  # celery has no types
def remove(self: Task, syscall: str) -> None:
    """Forget a memory."""
    execute(self, syscall, pool=Pool.MEMORY)


@app.task(name="aios.memory.remember", bind=True)  # type: ignore[untyped-decorator]  # celery has no types
def remember(self: Task, syscall: str) -> None:
    """Remember a reply of the same request."""
    execute(self, syscall, pool=Pool.MEMORY)
