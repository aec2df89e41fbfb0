"""The Celery application: `celery -A tasks worker -Q llm`. One file per pool; each task is one call into `aios`."""

from tasks.application import app

__all__ = ["app"]
