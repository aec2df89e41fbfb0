"""A Celery message with marks where ids stand, for the script that grants to fill in and ring: one call less per message.

Celery and kombu make it themselves, once per process, on kombu's transport within the process; nothing here knows its form.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from kombu.connection import Connection

if TYPE_CHECKING:
    from celery import Celery

MARKS: Final = ("task", "call", "message", "pool", "priority")
"""`@task@` and so on: the task's name, its argument, the message's id, the queue, the priority."""


def envelope(app: Celery) -> str:
    """What the application would push to a queue, as text."""
    with Connection("memory://") as connection:  # type: ignore[no-untyped-call]  # kombu has no types
        channel = connection.channel()
        channel.body_encoding = None  # a script can fill in plain JSON, but no base64
        app.send_task(
            "@task@",
            ("@call@",),
            task_id="@message@",
            producer=app.amqp.Producer(channel),
            queue="@pool@",
            priority=0,
            retry=False,
        )
        message = channel._get("@pool@")  # noqa: SLF001  # the form itself is wanted, not the message in it
    message["headers"]["origin"] = "aios"
    message["properties"] |= {"priority": "@priority@", "delivery_tag": "@message@"}
    return json.dumps(message, separators=(",", ":")).replace('"@priority@"', "@priority@")
