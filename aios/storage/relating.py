"""The operations on sets of files: groups by a key, and pairs that belong together.

Source: Shi, Mei et al., "From Commands to Prompts: LLM-based Semantic File System for AIOS", arXiv 2410.11843, whose composite
syscalls are `group by` and `join`.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from sqlalchemy import or_

from aios.errors import InvalidArgument
from aios.kernel.payload import read as read_payload
from aios.storage.finding import meant, where
from aios.storage.grouping import KEYS, NAMES, grouped, paired
from aios.storage.likeness import alike, labelled
from aios.storage.payloads import Group, Join
from aios.storage.search import Meaning, Where, unindexed
from aios.storage.sets import FileSet, members

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aios.db.session import Transaction
    from aios.kernel.ports import Claimed, Embedder
    from aios.kernel.values import JsonObject
    from aios.storage.sets import Member
    from aios.storage.store import Effect, Operation, Store


def _group(store: Store, call: Claimed) -> Effect:
    """Put files that have the same key together."""
    asked = read_payload(Group, call.payload)
    area = where(asked, pattern=store.path(call, asked.pattern))
    labels = _meanings(store, asked.named)
    meaning = meant(store, asked) if asked.query.strip() else None
    wanted = FileSet(area, asked.query, asked.k, words=asked.by != "meaning", meaning=meaning)

    def effect(tx: Transaction) -> JsonObject:
        found = members(tx, wanted)
        groups = grouped(found.files, key=_key(tx, asked.key, found.files, labels))
        told = [group.told(asked.members) for group in groups]
        return {"groups": told, "files": len(found.files), "unindexed": unindexed(tx, found.area)}

    return effect


def _key(tx: Transaction, key: str, of: Sequence[Member], labels: Mapping[str, Meaning]) -> Callable[[Member], str]:
    if not labels:
        return KEYS[key]
    nearest = labelled(tx, of, labels=labels)
    return lambda file: nearest.get(file.id, "")


def _meanings(store: Store, labels: Sequence[str]) -> dict[str, Meaning]:
    if not labels:
        return {}
    embedder = _embedder(store, "key", "label")
    vectors = embedder.embed(list(labels))
    return {label: Meaning(embedder.name, vector) for label, vector in zip(labels, vectors, strict=True)}


def _join(store: Store, call: Claimed) -> Effect:
    """Find the pairs of files of two sets that belong together."""
    asked = read_payload(Join, call.payload)
    left = FileSet(Where(store.path(call, asked.left)), asked.left_query)
    right = FileSet(Where(store.path(call, asked.right)), asked.right_query)
    least = asked.least
    embedder = _embedder(store, "on", asked.on).name if asked.on == "meaning" else ""

    def effect(tx: Transaction) -> JsonObject:
        one, other = members(tx, left), members(tx, right)
        if asked.on == "meaning":
            pairs = _alike(tx, one.files, other.files, embedder=embedder, least=least, limit=asked.limit + 1)
        else:
            same = paired(one.files, other.files, key=NAMES[asked.on])
            pairs = [_pair(a, b, 1.0) for a, b in islice(same, asked.limit + 1)]
        return {
            "pairs": pairs[: asked.limit],
            "more": len(pairs) > asked.limit,
            "unindexed": unindexed(tx, or_(one.area, other.area)),
        }

    return effect


def _alike(
    tx: Transaction, left: Sequence[Member], right: Sequence[Member], *, embedder: str, least: float, limit: int
) -> list[JsonObject]:
    known = {file.id: file for file in (*left, *right)}
    found = alike(tx, left, right, embedder=embedder, least=least, limit=limit)
    return [_pair(known[one], known[other], score) for one, other, score in found]


def _pair(left: Member, right: Member, score: float) -> JsonObject:
    return {"left": left.told, "right": right.told, "score": score}


def _embedder(store: Store, name: str, value: str) -> Embedder:
    if store.embedder is None:
        raise InvalidArgument(name, value, "there is no embedder here; choose what needs none")
    return store.embedder()


OPERATIONS: Final[Mapping[str, Operation]] = {"group": _group, "join": _join}
