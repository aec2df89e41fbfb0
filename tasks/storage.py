"""The pool `storage`. Files and their versions."""

from celery.app.task import Task

from aios.kernel.words import Pool
from tasks.application import app, execute


@app.task(name="aios.storage.write", bind=True)  # type: ignore[untyped-decorator]  # celery has no types
def write(self: Task, syscall: str) -> None:
    """Write a version of a file."""
    execute(self, syscall, pool=Pool.STORAGE)


@app.task(name="aios.storage.read", bind=True)  # type: ignore[untyped-decorator]  # celery has no types
def read(self: Task, syscall: str) -> None:
    """Read a file."""
    execute(self, syscall, pool=Pool.STORAGE)


@app.task(name="aios.storage.list", bind=True)  # type: ignore[untyped-decorator]  # celery has no types
def list_(self: Task, syscall: str) -> None:
    """List files."""
    execute(self, syscall, pool=Pool.STORAGE)


@app.task(name="aios.storage.delete", bind=True)  # type: ignore[untyped-decorator]  # celery has no types
def delete(self: Task, syscall: str) -> None:
    """Delete a file."""
    execute(self, syscall, pool=Pool.STORAGE)
