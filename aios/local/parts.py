"""What `aios up` starts, in order: each part is found or made when those before it are ready."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from aios.local import commands, ports
from aios.local.environment import environment
from aios.local.leftovers import MARK
from aios.local.postgres import Postgres
from aios.local.process import Process, birth
from aios.local.state import Flower
from aios.local.valkey import Valkey
from aios.settings import app_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aios.settings import Settings

_FLOWER_USER = "aios"
_ANNOUNCED_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the parts need to know."""

    data_dir: Path
    settings: Settings
    """As they were before anything was started: a URL in them belongs to somebody else's server."""
    publish: Callable[[str, str], None]
    """Called with a setting's name and value as soon as a server answers there."""
    publish_flower: Callable[[Flower], None]
    backend: str = "llama"
    flower: bool = True


def parts(plan: Plan) -> Iterator[Process]:
    """Every process in order; the next one is asked for when the last one is ready."""
    shared = {**environment(plan.data_dir), MARK: str(plan.data_dir)}
    for process in _bare(plan):
        yield replace(process, env={**shared, **process.env}, folder=process.folder or app_dir())


def _bare(plan: Plan) -> Iterator[Process]:
    yield from _postgres(plan)
    yield from _valkey(plan)
    yield from _engine(plan)
    yield Process(name="migrations", argv=commands.migrate(), once=True)
    for pools in commands.crew(plan.settings.worker.profile):
        yield _worker(plan, pools=pools)
    yield _beat(plan)
    if plan.flower:
        yield _flower(plan)


def _postgres(plan: Plan) -> Iterator[Process]:
    url = plan.settings.database_url
    if not url:
        server = Postgres(plan.data_dir / "postgres")
        yield server.process()
        url = server.application_url  # workers and clients change no table, and nothing of the audit log
        plan.publish("database_owner_url", server.url)
    plan.publish("database_url", url)


def _valkey(plan: Plan) -> Iterator[Process]:
    url = plan.settings.redis_url
    if not url:
        server = Valkey(plan.data_dir / "valkey")
        yield server.process()
        url = server.url
    plan.publish("redis_url", url)


def _engine(plan: Plan) -> Iterator[Process]:
    url = plan.settings.engine_url
    if not url:
        port = ports.free_port()
        url = f"http://{ports.LOOPBACK}:{port}"
        model = plan.settings.engine_model and str(Path(plan.settings.engine_model).absolute())  # it runs elsewhere
        slots = plan.settings.llm.slots
        argv = commands.engine(plan.data_dir, backend=plan.backend, port=port, slots=slots, model=model)
        yield Process(
            name="engine",
            argv=argv,
            server=True,
            ready=lambda _pid: _is_healthy(url),
            ready_within=timedelta(minutes=3),
        )
    plan.publish("engine_url", url)


def _worker(plan: Plan, *, pools: tuple[str, ...]) -> Process:
    ready_file = plan.data_dir / "run" / f"{pools[0]}.ready"
    started = [0.0]

    def forget() -> None:
        started[0] = time.monotonic()
        ready_file.parent.mkdir(mode=0o700, exist_ok=True)
        ready_file.unlink(missing_ok=True)

    def announced(pid: int) -> bool:
        lived = time.monotonic() - started[0] > _ANNOUNCED_SECONDS
        return ready_file.exists() or (lived and birth(pid) is not None)

    return Process(
        name=f"worker-{pools[0]}",
        pool=",".join(pools),
        argv=commands.worker(*pools),
        before=forget,
        ready=announced,
        grace=timedelta(seconds=plan.settings.worker.drain_seconds + 5.0),
        env={"AIOS_READY_FILE": str(ready_file)},
    )


def _beat(plan: Plan) -> Process:
    pid_file = plan.data_dir / "beat.pid"
    return Process(
        name="beat",
        argv=commands.beat(plan.data_dir),
        before=lambda: pid_file.unlink(missing_ok=True),
        ready=lambda _pid: pid_file.exists(),
    )


def _flower(plan: Plan) -> Process:
    port, password = ports.free_port(), secrets.token_urlsafe(18)
    plan.publish_flower(Flower(url=f"http://{ports.LOOPBACK}:{port}", user=_FLOWER_USER, password=password))
    # By the environment: an argument would show the password to every user of the machine.
    settings = {
        "FLOWER_ADDRESS": ports.LOOPBACK,
        "FLOWER_PORT": str(port),
        "FLOWER_BASIC_AUTH": f"{_FLOWER_USER}:{password}",
    }
    return Process(
        name="flower",
        argv=commands.flower(),
        ready=lambda _pid: ports.accepts(port),
        grace=timedelta(seconds=5),
        env=settings,
    )


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False
