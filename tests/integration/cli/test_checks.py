"""What the doctor finds on a real Postgres, a real Valkey, and where there is none."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import redis

from aios.cli import checks
from aios.db import workers
from aios.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

NOWHERE = {"database_url": "postgresql://u:p@127.0.0.1:1/d", "redis_url": "redis://127.0.0.1:1/0"}


@contextmanager
def engine(info: object, *, status: int = 200) -> Iterator[str]:
    """Something that answers `/info`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/info" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(info).encode())

        def log_message(self, *_: object) -> None:
            """Nobody wants to read it."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,)).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def settings(database_url, redis_url, tmp_path):
    return load(database_url=database_url, redis_url=redis_url, data_dir=tmp_path)


def found(settings) -> dict[str, checks.Finding]:
    return {finding.name: finding for finding in checks.examine(settings)}


def test_a_system_whose_parts_are_well_is_well(settings, database) -> None:
    pools = ("agent", "llm", "memory", "storage", "tool", "system")
    process = workers.Process(uuid4(), pools, "host", 1, 0.0, 4, ("echo",))
    row = {"name": "echo", "version": "1", "source": "x", "summary": "", "tools": [], "error": None}
    with database.transaction() as tx:
        workers.register(tx, process, lease_seconds=60)
        workers.publish_programs(tx, [row])
    with engine({"model_id": "small", "max_concurrent_requests": 128}) as url:
        findings = found(settings.model_copy(update={"engine_url": url}))
    assert {finding.state for finding in findings.values()} == {"ok"}
    assert findings["engine"].detail == f"small at {url}, 4 slots of its 128"
    assert findings["workers"].detail.endswith("agent 4, llm 4, memory 4, storage 4, tool 4, system 4")
    assert "pgvector" in findings["postgres"].detail


def test_missing_workers_and_programs_are_named_with_the_command_that_starts_them(settings) -> None:
    findings = found(settings)
    assert findings["workers"].state == "wrong"
    assert "aios worker agent,llm,memory,storage,tool,system" in findings["workers"].remedy
    assert findings["programs"].remedy == "start `aios worker agent`"


def test_a_database_without_tables_is_to_be_upgraded(settings, services) -> None:
    findings = found(settings.model_copy(update={"database_url": services.database_url}))
    assert (findings["postgres"].state, findings["schema"].state) == ("ok", "wrong")
    assert findings["schema"].remedy == "run `aios db upgrade`"
    assert findings["workers"].state == "wrong"


def test_a_redis_that_may_drop_what_waits_is_wrong(settings) -> None:
    with redis.Redis.from_url(settings.redis_url) as server:
        server.config_set("maxmemory-policy", "allkeys-lru")
        try:
            finding = found(settings)["redis"]
        finally:
            server.config_set("maxmemory-policy", "noeviction")
    assert finding.state == "wrong"
    assert "set `maxmemory-policy noeviction`" in finding.remedy


def test_a_redis_whose_memory_is_full_is_wrong(settings) -> None:
    with redis.Redis.from_url(settings.redis_url) as server:
        server.config_set("maxmemory", 1)
        try:
            finding = found(settings)["redis"]
        finally:
            server.config_set("maxmemory", 0)
    assert (finding.state, finding.remedy) == ("wrong", "raise its `maxmemory`: it refuses writes")


def test_a_database_that_takes_no_writes_is_wrong(settings, database) -> None:
    with database.transaction() as tx:
        name = tx.exec_driver_sql("SELECT current_database()").scalar_one()
        tx.exec_driver_sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    finding = found(settings)["postgres"]
    assert finding.state == "wrong"
    assert "takes no writes" in finding.detail


def test_servers_that_do_not_answer_are_wrong_and_what_needs_them_unchecked(tmp_path) -> None:
    findings = found(load(**NOWHERE, engine_url="http://127.0.0.1:1", data_dir=tmp_path / "not" / "there"))
    states = {name: finding.state for name, finding in findings.items()}
    assert states == {
        "data directory": "ok",
        "postgres": "wrong",
        "schema": "unchecked",
        "workers": "unchecked",
        "programs": "unchecked",
        "redis": "wrong",
        "engine": "wrong",
    }
    assert all(finding.remedy for finding in findings.values() if finding.state == "wrong")


def test_a_data_directory_that_is_a_file_is_wrong(tmp_path) -> None:
    (tmp_path / "file").touch()
    finding = found(load(data_dir=tmp_path / "file"))["data directory"]
    assert (finding.state, finding.detail) == ("wrong", f"{tmp_path / 'file'} is no folder")


def test_nothing_configured_is_told_part_by_part(tmp_path) -> None:
    findings = found(load(data_dir=tmp_path))
    assert [findings[name].detail for name in ("postgres", "redis", "engine")] == [
        "no database is configured",
        "no Redis is configured",
        "no engine is configured",
    ]


@pytest.mark.parametrize(
    ("info", "status", "text"),
    [
        ({"model_id": "m", "max_concurrent_requests": 2}, 200, "set AIOS_LLM__SLOTS to 2 or less"),
        ({}, 503, "start it, or correct AIOS_ENGINE_URL"),
        (["no", "info"], 200, "start it, or correct AIOS_ENGINE_URL"),
    ],
)
def test_an_engine_that_cannot_serve_is_wrong(tmp_path, info, status, text) -> None:
    with engine(info, status=status) as url:
        finding = found(load(**NOWHERE, engine_url=url, data_dir=tmp_path))["engine"]
    assert (finding.state, finding.remedy) == ("wrong", text)
