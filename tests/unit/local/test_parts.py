from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aios import settings
from aios.local import commands
from aios.local.leftovers import MARK
from aios.local.parts import Plan, parts

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from aios.local.state import Flower

URLS = {"database_url": "postgresql://given", "redis_url": "redis://given", "engine_url": "http://given"}


class Published:
    def __init__(self, data_dir: Path, **urls: str) -> None:
        self.settings: dict[str, str] = {}
        self.flower: list[Flower] = []
        self.plan = Plan(
            data_dir=data_dir,
            settings=settings.load(data_dir=data_dir, **urls),
            publish=self.settings.__setitem__,
            publish_flower=self.flower.append,
        )


def test_given_urls_are_published_and_their_servers_not_started(tmp_path: Path) -> None:
    published = Published(tmp_path, **URLS)
    names = [process.name for process in parts(published.plan)]
    assert names == ["migrations", *(f"worker-{pool}" for pool in commands.POOLS), "beat", "flower"]
    assert published.settings == URLS


def test_every_server_without_a_url_is_started_before_what_uses_it(tmp_path: Path) -> None:
    given = {**URLS, "engine_url": ""}
    first = next(iter(parts(Published(tmp_path, **given).plan)))
    assert (first.name, first.server) == ("engine", True)
    given = {**URLS, "redis_url": ""}
    first = next(iter(parts(Published(tmp_path, **given).plan)))
    assert (first.name, first.server) == ("valkey", True)


def test_the_engine_loads_the_model_that_the_settings_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = {**URLS, "engine_url": "", "engine_model": "my.gguf"}
    argv = next(iter(parts(Published(tmp_path, **given).plan))).argv
    assert argv[argv.index("--model-path") + 1] == str(tmp_path / "my.gguf")


def test_workers_serve_one_pool_each_and_know_their_system(tmp_path: Path) -> None:
    workers = [process for process in parts(Published(tmp_path, **URLS).plan) if process.pool]
    assert [worker.pool for worker in workers] == list(commands.POOLS)
    for worker in workers:
        assert worker.argv[worker.argv.index("--queues") + 1] == worker.pool
        assert worker.env["AIOS_DATA_DIR"] == worker.env[MARK] == str(tmp_path)


def test_in_fused_there_is_one_worker_for_all_but_tools_and_upkeep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIOS_WORKER__PROFILE", "fused")
    workers = [process for process in parts(Published(tmp_path, **URLS).plan) if process.pool]
    assert [worker.name for worker in workers] == ["worker-system", "worker-tool", "worker-agent"]
    assert workers[-1].pool == workers[-1].argv[workers[-1].argv.index("--queues") + 1] == "agent,llm,memory,storage"


def test_relative_paths_in_the_environment_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIOS_AGENTS_PATH", f"mine{os.pathsep}/theirs")
    process = next(iter(parts(Published(tmp_path, **URLS).plan)))
    assert process.env["AIOS_AGENTS_PATH"] == f"{tmp_path}/mine{os.pathsep}/theirs"


def test_flowers_password_is_in_no_command_line(tmp_path: Path) -> None:
    published = Published(tmp_path, **URLS)
    flower = list(parts(published.plan))[-1]
    password = published.flower[0].password
    assert password not in " ".join(flower.argv)
    assert flower.env["FLOWER_BASIC_AUTH"] == f"aios:{password}"
    assert flower.env["FLOWER_ADDRESS"] == "127.0.0.1"
