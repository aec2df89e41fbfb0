"""What somebody else puts on a queue is refused and counted; it ends no worker and disturbs no agent."""

from __future__ import annotations

import base64
import json
from uuid import uuid4

import redis

from tests.acceptance import errands

RESUME = "aios.agent.resume"
GOOD = json.dumps([[str(uuid4())], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]).encode()


def headers(task, **changed):
    plain = {"lang": "py", "task": task, "id": str(uuid4()), "eta": None, "expires": None, "retries": 0}
    return {**plain, "timelimit": [None, None], "root_id": "r", "parent_id": None, "ignore_result": True, **changed}


def envelope(body, head, *, kind="application/json", encoding="utf-8"):
    properties = {
        "correlation_id": "x",
        "delivery_info": {"exchange": "", "routing_key": "agent"},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": str(uuid4()),
    }
    whole = {"body": base64.b64encode(body).decode(), "content-type": kind, "content-encoding": encoding}
    return json.dumps({**whole, "headers": head, "properties": properties}).encode()


BAD = {
    "no JSON": b"\xff\xfe garbage",
    "5 MB that are no JSON": b"x" * 5_000_000,
    "a number": b"42",
    "a list": b"[1, 2]",
    "an empty object": b"{}",
    "no headers": json.dumps({"body": "", "properties": {"delivery_tag": "x", "delivery_info": {}}}).encode(),
    "headers that are a list": envelope(GOOD, [1]),
    "a hundred thousand brackets": b"[" * 100_000,
    "an unknown task": envelope(GOOD, headers("aios.agent.nonsense")),
    "an unknown task without an id": envelope(GOOD, {"task": "nonsense"}),
    "a task without an id": envelope(GOOD, {"task": RESUME}),
    "a body that is no JSON": envelope(b"{nope", headers(RESUME)),
    "a pickle": envelope(
        b"cos\nsystem\n(S'true'\ntR.", headers(RESUME), kind="application/x-python-serialize", encoding="binary"
    ),
    "a body that is an object": envelope(b'{"a": 1}', headers(RESUME)),
    "a body too short": envelope(b"[[]]", headers(RESUME)),
    "no arguments": envelope(b"[[], {}, {}]", headers(RESUME)),
    "arguments that are a string": envelope(b'["ab", {}, {}]', headers(RESUME)),
    "arguments that are null": envelope(b"[null, null, null]", headers(RESUME)),
    "an argument of another name": envelope(b'[[], {"who": "x"}, {}]', headers(RESUME)),
    "an argument that is no id": envelope(b'[["nonsense"], {}, {}]', headers(RESUME)),
    "an argument that is a number": envelope(b"[[5], {}, {}]", headers(RESUME)),
    "an argument of 5 MB": envelope(json.dumps([["x" * 5_000_000], {}, {}]).encode(), headers(RESUME)),
    "a message for the year 2099": envelope(GOOD, headers(RESUME, eta="2099-01-01T00:00:00+00:00")),
    "a message for some time": envelope(GOOD, headers(RESUME, eta="tomorrow")),
    "limits that are none": envelope(GOOD, headers(RESUME, retries="x", timelimit="y")),
}


def test_whatever_stands_on_a_queue_is_refused_and_counted_and_disturbs_nobody(system):
    before = system.counters()["refused"]
    wave = errands.submit(system, wave="beside", count=20)
    client = redis.Redis.from_url(system.services.redis_url)
    for message in BAD.values():
        client.lpush("aios:q:agent", message)
    client.close()
    errands.wait(system, wave, seconds=90)
    errands.check_results(system, wave)
    system.wait(
        lambda: system.counters()["refused"] - before >= len(BAD), seconds=20, what=f"{len(BAD)} refusals to be counted"
    )
    assert system.counters()["refused"] - before == len(BAD)
    assert system.restarts == 0


def test_a_broker_without_memory_and_a_database_that_is_read_only_stop_the_work_and_end_nothing(system):
    from random import Random

    from tests.acceptance import chaos, faults

    tally = chaos.Tally()
    chaos.strike(
        system, [faults.broker_full, faults.database_read_only], random=Random(1), tally=tally, agents=20, sleep=4.0
    )
    assert system.restarts == 0
    assert tally.extra == 0
