"""What somebody else may put on a queue: none of it is a message that a worker can do something with."""

from __future__ import annotations

import base64
import json
from uuid import uuid4

_PLAIN = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def arguments(*given: object) -> bytes:
    """The body of a message with these arguments."""
    return json.dumps([given, {}, _PLAIN]).encode()


def headers(task: str, **changed: object) -> dict[str, object]:
    plain = {"lang": "py", "task": task, "id": str(uuid4()), "eta": None, "expires": None, "retries": 0}
    return {**plain, "timelimit": [None, None], "root_id": "r", "parent_id": None, "ignore_result": True, **changed}


def envelope(body: bytes, head: object, *, kind: str = "application/json", encoding: str = "utf-8") -> bytes:
    properties = {
        "correlation_id": "x",
        "delivery_info": {"exchange": "", "routing_key": "agent"},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": str(uuid4()),
    }
    whole = {"body": base64.b64encode(body).decode(), "content-type": kind, "content-encoding": encoding}
    return json.dumps({**whole, "headers": head, "properties": properties}).encode()


def unreadable(task: str) -> dict[str, bytes]:
    """Whatever is no message at all, or none for a task of ours, by what is wrong with it.

    Args:
        task: one that the queue's workers have.
    """
    good = arguments(str(uuid4()))
    pickle = {"kind": "application/x-python-serialize", "encoding": "binary"}
    return {
        "no JSON": b"\xff\xfe garbage",
        "5 MB that are no JSON": b"x" * 5_000_000,
        "a number": b"42",
        "a list": b"[1, 2]",
        "an empty object": b"{}",
        "no headers": json.dumps({"body": "", "properties": {"delivery_tag": "x", "delivery_info": {}}}).encode(),
        "headers that are a list": envelope(good, [1]),
        "a hundred thousand brackets": b"[" * 100_000,
        "an unknown task": envelope(good, headers(f"{task}.nonsense")),
        "an unknown task without an id": envelope(good, {"task": "nonsense"}),
        "a task without an id": envelope(good, {"task": task}),
        "a body that is no JSON": envelope(b"{nope", headers(task)),
        "a pickle": envelope(b"cos\nsystem\n(S'true'\ntR.", headers(task), **pickle),
        "a body that is an object": envelope(b'{"a": 1}', headers(task)),
        "a body too short": envelope(b"[[]]", headers(task)),
        "arguments that are a string": envelope(b'["ab", {}, {}]', headers(task)),
        "arguments that are null": envelope(b"[null, null, null]", headers(task)),
        "an argument of another name": envelope(b'[[], {"who": "x"}, {}]', headers(task)),
        "an argument that is a number": envelope(b"[[5], {}, {}]", headers(task)),
        "an argument of 5 MB": envelope(arguments("x" * 5_000_000), headers(task)),
        "a message for the year 2099": envelope(good, headers(task, eta="2099-01-01T00:00:00+00:00")),
        "a message for some time": envelope(good, headers(task, eta="tomorrow")),
        "limits that are none": envelope(good, headers(task, retries="x", timelimit="y")),
    }


RESUME, CRON = "aios.agent.resume", "aios.system.cron"
BAD = {
    "agent": {
        **unreadable(RESUME),
        "no arguments": envelope(arguments(), headers(RESUME)),
        "an argument that is no id": envelope(arguments("nonsense"), headers(RESUME)),
    },
    "system": {
        **unreadable(CRON),
        "an argument where there is none": envelope(arguments(str(uuid4())), headers(CRON)),
    },
}
"""By queue: what a worker of it must refuse, and count."""
