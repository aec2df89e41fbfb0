"""`aios worker`: a Celery worker of one or several pools, with good defaults, in this process."""

import os
from typing import Annotated

import typer

from aios.cli.options import DataDir, settings
from aios.errors import InvalidArgument, Misconfigured

_EXECUTIONS = ("threads", "prefork", "solo")
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="System")(worker)


def worker(
    pools: Annotated[
        str, typer.Argument(metavar="POOL[,POOL...]", help="agent, llm, memory, storage, tool, system, or `all`.")
    ],
    *,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", "-c", min=1, help="Syscalls at once; default: as fits the pool.")
    ] = None,
    pool: Annotated[
        str | None, typer.Option(help="How: `threads`, `prefork` (for CPU-bound and foreign tools) or `solo`.")
    ] = None,
    loglevel: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
    data_dir: DataDir = None,
) -> None:
    """Serve pools in the foreground; start as many as you like, on as many machines as you like, by URLs alone.

    Ctrl-C or SIGTERM finishes or gives back what runs, and ends.

    Example: AIOS_DATABASE_URL=... AIOS_REDIS_URL=... AIOS_ENGINE_URL=... aios worker llm --concurrency 8
    """
    from aios.local import commands
    from aios.local.environment import become

    chosen = tuple(commands.POOLS) if pools == "all" else tuple(dict.fromkeys(pools.split(",")))
    for name in chosen:
        if name not in commands.POOLS:
            raise InvalidArgument("pool", name, f"give one or several of {', '.join(commands.POOLS)}, or `all`")
    if pool is not None and pool not in _EXECUTIONS:
        raise InvalidArgument("--pool", pool, f"give {' or '.join(_EXECUTIONS)}")
    if loglevel.upper() not in _LOG_LEVELS:
        raise InvalidArgument("--loglevel", loglevel, f"give {' or '.join(_LOG_LEVELS)}")
    found = settings(data_dir)
    if not found.database_url or not found.redis_url:
        raise Misconfigured(
            "no database or no Redis is configured", "run `aios up`, or set AIOS_DATABASE_URL and AIOS_REDIS_URL"
        )
    argv = commands.worker(
        *chosen,
        # Its own name: a second worker of a pool on this host must not answer for the first.
        node=f"{'-'.join(chosen) if pools != 'all' else 'all'}-{os.getpid()}",
        concurrency=concurrency,
        execution=pool,
        loglevel=loglevel.upper(),
    )
    become(argv, data_dir=found.data_dir)
