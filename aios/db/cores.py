"""The cores that were added by command; those of the configuration are no rows until one of them is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from aios.db.tables import cores, syscalls
from aios.kernel.routing import Core, CoreKind, CoreState
from aios.kernel.words import Pool, SyscallState

if TYPE_CHECKING:
    from aios.db.session import Transaction

_FIELDS = (
    *("name", "url", "kind", "model", "aliases", "slots", "key_env", "context_tokens"),
    *("cost_prompt", "cost_completion", "quality", "state"),
)


def listing(tx: Transaction) -> list[Core]:
    """All rows, by name."""
    rows = tx.execute(select(*(cores.c[name] for name in _FIELDS)).order_by(cores.c.name)).mappings()
    return [_core(dict(row)) for row in rows]


def close(tx: Transaction) -> None:
    """Let nobody else who asks for it too change cores before this transaction ends; readers do not wait."""
    tx.execute(text("LOCK TABLE cores IN SHARE ROW EXCLUSIVE MODE"))


def put(tx: Transaction, core: Core) -> None:
    """Store a core in place of what has its name."""
    row = {name: getattr(core, name) for name in _FIELDS} | {"aliases": list(core.aliases)}
    statement = insert(cores).values(row)
    changes = {name: statement.excluded[name] for name in _FIELDS[1:]}
    tx.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changes))


def remove(tx: Transaction, name: str) -> bool:
    """Forget a row; False: there was none."""
    return tx.execute(delete(cores).where(cores.c.name == name).returning(cores.c.name)).first() is not None


def running(tx: Transaction) -> int:
    """How many LLM calls run, on any core."""
    statement = select(func.count()).where(
        syscalls.c.pool == Pool.LLM.value, syscalls.c.state == SyscallState.RUNNING.value
    )
    return int(tx.execute(statement).scalar_one())


def _core(row: dict[str, object]) -> Core:
    aliases = row.pop("aliases")
    kind, state = CoreKind(str(row.pop("kind"))), CoreState(str(row.pop("state")))
    return Core(kind=kind, state=state, aliases=tuple(map(str, aliases)), **row)  # type: ignore[arg-type,call-overload]  # a row's values
