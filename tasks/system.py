"""The pool `system`. What beat rings: schedules that are due, and pruning."""

from aios.worker import system
from tasks import process
from tasks.application import app


@app.task(name="aios.system.cron")  # type: ignore[untyped-decorator]  # celery has no types
def cron() -> None:
    """Start an agent for each schedule that is due."""
    parts = process.kernel().parts
    system.fire_due(parts.database, parts.dispatch, parts.settings.limits)


@app.task(name="aios.system.prune")  # type: ignore[untyped-decorator]  # celery has no types
def prune() -> None:
    """Remove what is older than the settings keep."""
    parts = process.kernel().parts
    system.prune_quietly(parts.database, parts.settings.limits, parts.file_retention)
