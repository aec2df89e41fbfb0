"""Limiting keys: what limits how many syscalls run at once. Pure text, in three levels.

`llm` is a pool: a window before its workers, or the engine's slots. `tool:browser` is something limited within a pool.
`llm@acme` or `tool:browser@acme` is one tenant's part of either; it exists where it has limits of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.errors import InvalidArgument, did_you_mean
from aios.kernel.words import Pool

if TYPE_CHECKING:
    from collections.abc import Iterable


def key_of(pool: Pool, name: str) -> str:
    """The key of something named within a pool."""
    return f"{pool.value}:{name.replace('@', '%40')}"


def pool_of(key: str) -> str:
    """The pool that a key is within."""
    return key.partition("@")[0].partition(":")[0]


def checked(key: str) -> str:
    """A key as an operator wrote it.

    Raises:
        InvalidArgument: it is within no pool, or names nothing in it.
    """
    pools = [pool.value for pool in Pool]
    pool, rest = pool_of(key), key[len(pool_of(key)) :]
    if pool not in pools:
        raise InvalidArgument("key", key, _remedy(pool, pools))
    if rest and (len(rest) == 1 or rest.startswith(":@") or rest.endswith("@")):
        raise InvalidArgument("key", key, _remedy(pool, pools))
    return key


def _remedy(pool: str, pools: Iterable[str]) -> str:
    near = did_you_mean(pool, pools)
    return "give a pool, POOL:NAME, or either with @TENANT, such as tool:browser@acme" + (
        f"; {near[0]}?" if near and near[0] != pool else ""
    )
