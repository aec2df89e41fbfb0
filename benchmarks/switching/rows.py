"""The journal rows of a cell's generations, without programs: agents that wait, each with one `llm.complete`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg

from aios.kernel.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from aios.kernel.values import JsonObject

_AGENT = (
    "INSERT INTO agents (id, root_id, program, task, state, priority) VALUES (%s, %s, 'bench', 'null', 'waiting', 5)"
)
_REQUEST = """
    INSERT INTO requests (id, agent_id, generation, seq, label, digest, pending) VALUES (%s, %s, 0, '1', 'bench', '', 1)
"""
_SYSCALL = """
    INSERT INTO syscalls (id, agent_id, request_id, position, pool, op, effect, payload, state, priority, seconds, queued_at)
    VALUES (%s, %s, %s, 0, 'llm', 'complete', 'idempotent', %s, 'queued', 5, 600, clock_timestamp())
"""


def add(database_url: str, payloads: Sequence[JsonObject]) -> list[UUID]:
    """Queue one syscall per payload; their ids, in order."""
    ids = []
    with psycopg.connect(database_url) as connection:
        for payload in payloads:
            agent, request, syscall = new_id(), new_id(), new_id()
            connection.execute(_AGENT, (agent, agent))
            connection.execute(_REQUEST, (request, agent))
            connection.execute(_SYSCALL, (syscall, agent, request, json.dumps(payload)))
            ids.append(syscall)
    return ids


def take_back(database_url: str, *, alive: UUID) -> None:
    """Queue again what workers were at that are no more: recovery's statement.

    It has to be said again and again: a claim that a worker sent just before its death may commit after it.
    """
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE syscalls SET state = 'queued', claim_token = NULL, incarnation = NULL, crashes = crashes + 1 "
            "WHERE state = 'running' AND incarnation <> %s",
            (alive,),
        )
