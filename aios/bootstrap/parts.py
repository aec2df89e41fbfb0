"""What every process needs, a client's too; what few need is imported when they ask for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from aios.db import cores
from aios.db.session import Database
from aios.dispatch import Dispatch
from aios.errors import Misconfigured
from aios.ready import ReadySets
from aios.settings import secret
from aios.worker import host

if TYPE_CHECKING:
    from aios.kernel.ports import Embedder, ObjectStore
    from aios.kernel.routing import Core
    from aios.llm.streams import TokenStreams
    from aios.settings import Settings
    from aios.storage.retention import Retention
    from aios.storage.store import Store
    from aios.tools.mcp.servers import McpServers
    from aios.tools.permits import RedisPermits
    from aios.tools.registry import Registry


@dataclass(frozen=True)
class Parts:
    """What every process needs: settings, the database, and a way to ring."""

    settings: Settings

    @cached_property
    def database(self) -> Database:
        """Postgres."""
        return Database(self.settings.database_url, pool_size=self.settings.database_pool)

    @cached_property
    def dispatch(self) -> Dispatch:
        """Ready sets and Celery's publisher."""
        if not self.settings.redis_url:
            raise Misconfigured("no Redis is configured", "run `aios up`, or set AIOS_REDIS_URL")
        from aios.publisher import Publisher  # noqa: PLC0415  # who only looks does not wait for Celery

        publisher, url = Publisher(self.settings.redis_url), self.settings.scheduler
        at_once = self.settings.scheduling.rings and url == self.settings.redis_url
        rings = publisher.rings() if at_once else None
        return Dispatch(ReadySets(url, lease_seconds=self.settings.worker.grant_seconds, rings=rings), publisher)

    @cached_property
    def streams(self) -> TokenStreams:
        """Token streams in Redis."""
        from aios.llm.streams import TokenStreams  # noqa: PLC0415  # only who serves or follows tokens needs it

        return TokenStreams(self.settings.streams, settings=self.settings.llm)

    @cached_property
    def tools(self) -> Registry:
        """The tools that are loaded here."""
        from aios.tools.sources import load  # noqa: PLC0415  # a client needs none

        return load(self.settings, found=self.mcp, permits=self.permits)

    @cached_property
    def mcp(self) -> McpServers | None:
        """The MCP servers that are configured."""
        if not self.settings.tools.mcp:
            return None
        from aios.tools.mcp.servers import McpServers  # noqa: PLC0415  # an optional dependency

        return McpServers(self.settings.tools.mcp, lambda: self.database)

    @cached_property
    def permits(self) -> RedisPermits:
        """How many calls of a tool run at once, on all machines together."""
        from aios.tools.permits import RedisPermits  # noqa: PLC0415  # a client calls no tool

        me = host.process(os.getpid(), host.birth(os.getpid()))
        return RedisPermits(self.settings.scheduler, lease_seconds=self.settings.worker.lease_seconds, process=me)

    @cached_property
    def embedder(self) -> Embedder:
        """The configured embedder; loading its model takes a second, so whoever may not need it asks late."""
        return embedder(self.settings)

    @cached_property
    def store(self) -> Store:
        """Files."""
        from aios.storage import key  # noqa: PLC0415  # only who serves or shows files needs these
        from aios.storage.blobs import Blobs  # noqa: PLC0415
        from aios.storage.index import Index  # noqa: PLC0415
        from aios.storage.links import Links  # noqa: PLC0415
        from aios.storage.store import Store  # noqa: PLC0415

        given = self.settings.storage
        blobs = Blobs(objects(given.url))
        return Store(
            blobs,
            embedder=lambda: self.embedder,
            index=Index(self.database, blobs, embedder=lambda: self.embedder),
            links=Links(lambda: key.load(given.share_key, self.settings.data_dir)),
            file_bytes=given.file_bytes,
        )

    @property
    def file_retention(self) -> Retention:
        """How long files are kept."""
        from aios.storage.retention import Retention  # noqa: PLC0415  # only who prunes needs it

        given = self.settings.storage
        return Retention(self.store.blobs, given.keep_versions, given.keep_days)

    def stored_cores(self) -> list[Core]:
        """The cores that were added by command."""
        with self.database.statement() as tx:
            return cores.listing(tx)

    def close(self) -> None:
        """Close what was opened."""
        for name in ("tools", "permits", "database", "dispatch", "streams"):
            if name in self.__dict__:
                self.__dict__[name].close()


def objects(url: str) -> ObjectStore | None:
    """The object store of a URL; None: contents are in Postgres.

    Raises:
        Misconfigured: the URL is none.
    """
    if not url:
        return None
    from aios.storage.objects import FsspecObjects  # noqa: PLC0415  # fsspec is for who wants it

    return FsspecObjects(url)


def embedder(settings: Settings) -> Embedder:
    """The configured embedder.

    Raises:
        Misconfigured: there is none of that name.
    """
    match settings.embedder:
        case "minilm":
            from aios.memory.minilm import MiniLM  # noqa: PLC0415  # loads onnxruntime

            return MiniLM()
        case "hashing":
            from aios.memory.hashing import Hashing  # noqa: PLC0415

            return Hashing()
        case "openai":
            from aios.memory.openai import OpenAIEmbedder  # noqa: PLC0415

            given = settings.memory
            return OpenAIEmbedder(
                given.embeddings_url,
                model=given.embeddings_model,
                key=secret(given.embeddings_key_env) if given.embeddings_key_env else "",
                dimensions=given.embeddings_dimensions,
                seconds=given.embeddings_seconds,
            )
        case other:
            raise Misconfigured(f"embedder = {other!r}", "set AIOS_EMBEDDER to minilm, openai or hashing")
