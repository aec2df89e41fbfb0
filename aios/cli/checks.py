"""The checks of `aios doctor`: each part of a system looked at by itself, with the remedy when something is wrong."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

from aios.errors import AiosError, Misconfigured, SchemaMismatch
from aios.kernel.words import Pool

if TYPE_CHECKING:
    from aios.db.session import Database
    from aios.kernel.routing import Core
    from aios.kernel.values import JsonObject
    from aios.settings import Settings

_OLDEST_POSTGRES = 140000
_OLDEST_REDIS = (6, 2)
_NO_POSTGRES = "Postgres cannot be used"
_FREE_BYTES = 500_000_000


@dataclass(frozen=True)
class Finding:
    """What one check found: `ok`, `wrong`, or `unchecked` because what it needs is wrong already."""

    name: str
    state: str
    detail: str
    remedy: str = ""

    def to_json(self) -> "JsonObject":
        """For scripts."""
        return asdict(self)


class _Wrong(Exception):  # never leaves this module
    """A check's own finding: `_Wrong(detail, remedy)`."""


def examine(settings: "Settings") -> Iterator[Finding]:
    """Check every part, in the order in which they need each other."""
    yield _look("data directory", lambda: _disk(settings))
    yield from _postgres(settings)
    yield _look("redis", lambda: _redis(settings))
    more = _more_cores(settings)
    if settings.engine_url or not more:
        yield _look("engine", lambda: _engine(settings))
    for core in more:
        yield _look(f"core {core.name}", partial(_core, settings, core))


def _look(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", check())
    except _Wrong as wrong:
        return Finding(name, "wrong", *map(str, wrong.args))
    except Misconfigured as error:
        return Finding(name, "wrong", *map(str, error.args))
    except AiosError as error:
        return Finding(
            name, "wrong", str(error), "start it, or correct its URL; `aios status` shows what `aios up` started"
        )


def _disk(settings: "Settings") -> str:
    place = next(folder for folder in (settings.data_dir, *settings.data_dir.parents) if folder.exists())
    if not place.is_dir():
        raise _Wrong(f"{place} is no folder", "choose another with --data-dir")
    free = shutil.disk_usage(place).free
    text = f"{settings.data_dir}, {free / 1e9:.1f} GB free"
    if free < _FREE_BYTES:
        raise _Wrong(text, f"free {_FREE_BYTES / 1e6:.0f} MB, or choose another --data-dir")
    return text


def _postgres(settings: "Settings") -> Iterator[Finding]:
    from aios.db.session import Database

    rest = {"schema": _schema, "workers": _workers, "programs": _programs}
    try:
        database = Database(settings.database_url)
    except Misconfigured as error:
        server = Finding("postgres", "wrong", *map(str, error.args))
        yield from (server, *(Finding(name, "unchecked", _NO_POSTGRES) for name in rest))
        return
    server = _look("postgres", lambda: _server(database))
    yield server
    for name, check in rest.items():
        if server.state != "ok":
            yield Finding(name, "unchecked", _NO_POSTGRES)
        else:
            yield _look(name, partial(check, database))
    database.close()


def _server(database: "Database") -> str:
    with database.transaction() as tx:
        number = int(tx.exec_driver_sql("SHOW server_version_num").scalar_one())
        version = tx.exec_driver_sql("SHOW server_version").scalar_one()
        vector = tx.exec_driver_sql("SELECT extversion FROM pg_extension WHERE extname = 'vector'").scalar()
        offered = tx.exec_driver_sql("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'").scalar()
        read_only = tx.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "on"
    if number < _OLDEST_POSTGRES:
        raise _Wrong(f"Postgres {version}", "use Postgres 14 or newer")
    if vector is None and offered is None:
        raise _Wrong(f"Postgres {version} without pgvector", "install the extension pgvector on the server")
    if read_only:
        raise _Wrong(
            f"Postgres {version} at {database.where} takes no writes",
            "set `default_transaction_read_only off`, or connect to the primary server",
        )
    return f"Postgres {version}, pgvector {vector or 'offered'}, at {database.where}"


def _schema(database: "Database") -> str:
    from aios.db import version

    found, wanted = version.current(database), version.head()
    if found != wanted:
        mismatch = SchemaMismatch(found, wanted)
        raise _Wrong(f"at migration {found}, {wanted} is needed", mismatch.remedy)
    return f"at migration {found}"


def _workers(database: "Database") -> str:
    from aios.db import workers

    with database.transaction() as tx:
        live = workers.capacity(tx)
    text = ", ".join(f"{pool.value} {live.get(pool.value, 0)}" for pool in Pool)
    idle = [pool.value for pool in Pool if not live.get(pool.value)]
    if idle:
        raise _Wrong(
            f"concurrency by pool: {text}", f"start `aios worker {','.join(idle)}`, or everything with `aios up`"
        )
    return f"concurrency by pool: {text}"


def _programs(database: "Database") -> str:
    from aios.db import workers

    with database.transaction() as tx:
        rows = workers.known_programs(tx)
    broken = [str(row["name"]) for row in rows if row["error"]]
    if broken:
        raise _Wrong(
            f"cannot be loaded: {', '.join(broken)}", "mend them (`aios programs` shows why), restart the workers"
        )
    if not rows:
        raise _Wrong("no worker has loaded any", "start `aios worker agent`")
    return ", ".join(str(row["name"]) for row in rows)


def _redis(settings: "Settings") -> str:
    from redis.exceptions import RedisError

    from aios.ready import connect, where

    if not settings.redis_url:
        raise Misconfigured("no Redis is configured", "run `aios up`, or set AIOS_REDIS_URL")
    client = connect(settings.redis_url)
    try:
        info = client.info()
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "")
    except (RedisError, OSError) as error:
        raise _Wrong(
            f"{where(settings.redis_url)} does not answer: {error}", "start it, or correct AIOS_REDIS_URL"
        ) from None
    finally:
        client.close()
    version = str(info["redis_version"])
    text = f"Redis {version}, {policy}, at {where(settings.redis_url)}"
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_REDIS:
        raise _Wrong(text, "use Redis 6.2 or newer, or Valkey")
    if policy != "noeviction":
        raise _Wrong(text, "set `maxmemory-policy noeviction`: it would drop what waits when its memory is full")
    used, most = int(info["used_memory"]), int(info.get("maxmemory", 0))
    if 0 < most <= used:
        raise _Wrong(f"{text}: its memory of {most} bytes is full", "raise its `maxmemory`: it refuses writes")
    return text


def _engine(settings: "Settings") -> str:
    url = settings.engine_url
    if not url:
        raise Misconfigured("no engine is configured", "run `aios up`, or set AIOS_ENGINE_URL")
    info = _info(url, api_key=settings.llm.api_key)
    most = int(info.get("max_concurrent_requests") or settings.llm.slots)
    text = f"{info.get('model_id')} at {url}, {settings.llm.slots} slots of its {most}"
    if settings.llm.slots > most:
        raise _Wrong(text, f"set AIOS_LLM__SLOTS to {most} or less")
    return text


def _more_cores(settings: "Settings") -> list["Core"]:
    """The cores beside the one of `engine_url`; those of the table only if Postgres answers."""
    from aios.db import cores
    from aios.db.session import Database
    from aios.kernel.routing import Origin, merged
    from aios.llm.cores.registry import declared

    stored: list[Core] = []
    with suppress(AiosError):
        database = Database(settings.database_url)
        with closing(database), database.statement() as tx:
            stored = cores.listing(tx)
    return [core for core in merged(declared(settings), stored) if core.origin is not Origin.DEFAULT]


def _core(settings: "Settings", core: "Core") -> str:
    import asyncio

    from aios.llm.cores.drivers import driver

    async def ask() -> bool:
        made = driver(core, settings.llm)
        try:
            return await made.healthy()
        finally:
            await made.aclose()

    text = f"{core.kind.value} at {core.url}, {core.slots} slots, {core.state.value}"
    if not asyncio.run(ask()):
        raise _Wrong(f"{text}: it does not answer", f"start it, or `aios cores drain {core.name}`")
    return text


def _info(url: str, *, api_key: str) -> "JsonObject":
    import httpx

    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        answer = httpx.get(f"{url.rstrip('/')}/info", headers=headers, timeout=5.0, trust_env=False)
        answer.raise_for_status()
        info = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise _Wrong(f"{url} does not answer /info: {error}", "start it, or correct AIOS_ENGINE_URL") from None
    if not isinstance(info, dict):
        raise _Wrong(f"what {url} answers to /info is no JSON object", "start it, or correct AIOS_ENGINE_URL")
    return info
