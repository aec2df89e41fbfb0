"""What the scheduler goes by: policy, limits and shares, one for all workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.db.session import Transaction

_PUBLISH_POLICY = text(
    """
    INSERT INTO scheduler (one, policy, parameters) VALUES (true, :policy, :parameters)
    ON CONFLICT (one) DO UPDATE SET policy = excluded.policy, parameters = excluded.parameters WHERE NOT scheduler.chosen
    """
).bindparams(bindparam("parameters", type_=JSONB))

_PUBLISH_SLOTS = text(
    """
    INSERT INTO limits (key, slots) VALUES ('llm', :slots)
    ON CONFLICT (key) DO UPDATE SET slots = excluded.slots WHERE NOT limits.chosen
    """
)

_PUBLISH_LIMIT = text(
    """
    INSERT INTO limits (key, slots) VALUES (:key, :slots)
    ON CONFLICT (key) DO UPDATE SET slots = excluded.slots WHERE NOT limits.chosen
    """
)

_CHOOSE = text(
    """
    INSERT INTO scheduler (one, policy, parameters, chosen) VALUES (true, :policy, :parameters, true)
    ON CONFLICT (one) DO UPDATE SET policy = excluded.policy, parameters = excluded.parameters, chosen = true
    """
).bindparams(bindparam("parameters", type_=JSONB))

_LIMIT = text(
    """
    INSERT INTO limits (key, slots, requests, tokens, chosen) VALUES (:key, :slots, :requests, :tokens, true)
    ON CONFLICT (key) DO UPDATE
    SET slots = excluded.slots, requests = excluded.requests, tokens = excluded.tokens, chosen = true
    """
)

_WEIGH = text(
    "INSERT INTO shares (tenant, weight) VALUES (:tenant, :weight)"
    " ON CONFLICT (tenant) DO UPDATE SET weight = excluded.weight"
)

_CHOICE = text(
    """
    SELECT (SELECT to_jsonb(s) FROM scheduler s) AS scheduler,
           (SELECT jsonb_object_agg(tenant, weight) FROM shares) AS weights,
           (SELECT jsonb_object_agg(key, jsonb_build_array(slots, requests, tokens)) FROM limits) AS limits
    """
)


class Limit(NamedTuple):
    """What a key may have.

    Attributes:
        slots: grants at once; None: as many as there is room for.
        requests: per minute; None: any number.
        tokens: per minute; None: any number.
    """

    slots: int | None = None
    requests: int | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Choice:
    """What was chosen for all workers; `policy` is None before any worker has started."""

    policy: str | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    chosen: bool = False
    weights: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)


def publish(tx: Transaction, *, policy: str, parameters: Mapping[str, float], slots: int) -> None:
    """Tell all workers what this one's configuration says; what an operator has chosen stays."""
    tx.execute(_PUBLISH_POLICY, {"policy": policy, "parameters": dict(parameters)})
    tx.execute(_PUBLISH_SLOTS, {"slots": slots})


def publish_limits(tx: Transaction, limits: Mapping[str, int]) -> None:
    """Tell all workers how many grants keys may have at once, such as `tool:browser`; what an operator has chosen stays."""
    for key, slots in sorted(limits.items()):
        tx.execute(_PUBLISH_LIMIT, {"key": key, "slots": slots})


def choice(tx: Transaction) -> Choice:
    """What goes for all workers."""
    row = tx.execute(_CHOICE).one()
    limits = {key: Limit(*values) for key, values in (row.limits or {}).items()}
    if row.scheduler is None:
        return Choice(weights=row.weights or {}, limits=limits)
    chosen = row.scheduler
    return Choice(chosen["policy"], chosen["parameters"], chosen["chosen"], row.weights or {}, limits)


def choose(tx: Transaction, *, policy: str, parameters: Mapping[str, float]) -> None:
    """Set the policy until an operator sets another; a worker's configuration no longer does."""
    tx.execute(_CHOOSE, {"policy": policy, "parameters": dict(parameters)})


def forget(tx: Transaction) -> None:
    """Let the configuration of the next worker that starts decide again."""
    tx.execute(text("UPDATE scheduler SET chosen = false"))


def limit(tx: Transaction, key: str, limit: Limit) -> None:
    """Limit a key; with nothing in it: as if it had never been limited."""
    if limit == Limit():
        tx.execute(text("DELETE FROM limits WHERE key = :key"), {"key": key})
    else:
        tx.execute(_LIMIT, {"key": key, **limit._asdict()})


def weigh(tx: Transaction, tenant: str, *, weight: float) -> None:
    """Give a tenant its weight under `fair`; 1 is everybody's."""
    tx.execute(_WEIGH, {"tenant": tenant, "weight": weight})
