"""The base of all tasks: a message whose arguments are not the task's is refused and counted, not a failure of the task."""

from __future__ import annotations

from typing import Any

from celery import Task
from celery.exceptions import Ignore

from aios.broker import message_refused
from aios.log import logger

log = logger(__name__)


class Doorbell(Task):  # type: ignore[misc]  # celery has no types
    """A task that checks what it is called with."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task, if the arguments are its own."""
        try:
            self.__header__(*args, **kwargs)
        except TypeError as error:
            log.warning("refused a message for %s: %s", self.name, error)
            message_refused.send(sender=None, why=str(error))
            raise Ignore from None
        return self.run(*args, **kwargs)
