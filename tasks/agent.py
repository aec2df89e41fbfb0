"""The pool `agent`. Programs are driven to their next requests."""

from celery.app.task import Task

from tasks import application
from tasks.application import app


@app.task(name="aios.agent.resume", bind=True)  # type: ignore[untyped-decorator]  # celery has no types
def resume(self: Task, agent: str) -> None:
    """Drive one agent as far as its journal reaches."""
    application.resume(self, agent)
