"""What the reference agent does, the same for every peer: calls to the engine, rows of memory and of files.

An agent thinks, remembers and writes a file, twice, and thinks once more: seven operations. A write is one INSERT into a
table of the peer's own, in the Postgres that also keeps its journal; its id, a text, a key in order and a time are what our
own rows of blocks and file versions have at least (ours have more, and are written by more statements). A thought is a POST
to `/generate` that waits for the whole answer; our own kernel streams it, token by token, through TGI's official client.
"""

from __future__ import annotations

import os

import httpx

ENGINE = os.environ["PEER_ENGINE"]
DATABASE = os.environ["PEER_DATABASE"]
REDIS = os.environ["PEER_REDIS"]
CONCURRENCY = int(os.environ["PEER_CONCURRENCY"])

STEPS = ("llm", "memory", "file") * 2 + ("llm",)

TABLES = """
CREATE TABLE IF NOT EXISTS memories (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, agent text NOT NULL, name text NOT NULL, value text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS files (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, agent text NOT NULL, name text NOT NULL, value text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp());
"""

INSERT = {
    "memory": "INSERT INTO memories (agent, name, value) VALUES (%s, %s, %s)",
    "file": "INSERT INTO files (agent, name, value) VALUES (%s, %s, %s)",
}


def question(agent: str, step: int) -> dict[str, object]:
    """The body of a call: sixteen tokens that depend on who asks."""
    return {"inputs": f"step {step} of {agent}", "parameters": {"max_new_tokens": 16}}


def row(agent: str, step: int, text: str) -> tuple[str, str, str]:
    """The values of an INSERT."""
    return agent, f"{STEPS[step]} {step}", text


class Engine:
    """The engine, for threads."""

    def __init__(self) -> None:
        self._http = httpx.Client(base_url=ENGINE, timeout=60, limits=httpx.Limits(max_connections=None))

    def think(self, agent: str, step: int) -> str:
        """The answer to a question."""
        answer = self._http.post("/generate", json=question(agent, step)).raise_for_status()
        return str(answer.json()["generated_text"])


class AsyncEngine:
    """The engine, for asyncio."""

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(base_url=ENGINE, timeout=60, limits=httpx.Limits(max_connections=None))

    async def think(self, agent: str, step: int) -> str:
        """The answer to a question."""
        answer = await self._http.post("/generate", json=question(agent, step))
        return str(answer.raise_for_status().json()["generated_text"])
