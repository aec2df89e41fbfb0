"""The schemas that were accepted, in Postgres: what a server offers is used only while it is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from aios.db.tables.tools import mcp_tools
from aios.errors import InvalidArgument
from aios.tools.mcp.offer import Offer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject


class Pin(NamedTuple):
    """One tool of a server as it was accepted, and as it was offered last.

    Attributes:
        accepted: None: it was offered after the server's first contact, and nobody has accepted it yet.
        offered: None: the server has it no more.
    """

    server: str
    tool: str
    accepted: Offer | None
    offered: Offer | None

    @property
    def state(self) -> str:
        """`accepted`, or why it may not be called: `new`, `changed` or `gone`."""
        if self.offered is None:
            return "gone"
        if self.accepted is None:
            return "new"
        return "accepted" if self.accepted.digest == self.offered.digest else "changed"


def load(tx: Transaction, server: str | None = None) -> list[Pin]:
    """The pins of one server, or of all, by name."""
    query = select(mcp_tools).order_by(mcp_tools.c.server, mcp_tools.c.tool)
    rows = tx.execute(query if server is None else query.where(mcp_tools.c.server == server)).mappings()
    return [Pin(row["server"], row["tool"], _offer(row["accepted"]), _offer(row["offered"])) for row in rows]


def offered(tx: Transaction, server: str, offers: Iterable[Offer]) -> None:
    """Store what a server offers now. At its first contact all of it is accepted; later nothing is by itself."""
    # Two workers may meet a server for the first time at once.
    tx.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"aios.mcp.{server}"))))
    first = tx.execute(select(mcp_tools.c.tool).where(mcp_tools.c.server == server).limit(1)).first() is None
    now = {offer.name: offer._asdict() for offer in offers}
    for name, told in now.items():
        row = insert(mcp_tools).values(server=server, tool=name, offered=told, accepted=told if first else None)
        changed = {"offered": row.excluded.offered, "offered_at": func.clock_timestamp()}
        tx.execute(row.on_conflict_do_update(index_elements=["server", "tool"], set_=changed))
    here = and_(mcp_tools.c.server == server, mcp_tools.c.tool.not_in(list(now)))
    tx.execute(update(mcp_tools).where(here).values(offered=None, offered_at=func.clock_timestamp()))


def accept(tx: Transaction, server: str, tool: str | None = None, *, digest: str | None = None) -> int:
    """Accept what a server offers now, of one tool or of all; gives how many changed.

    What is gone is forgotten, unless the server then would look as if nobody had ever met it.

    Args:
        tx: the transaction to do it in.
        server: whose.
        tool: its name; None: all.
        digest: of the offer that was looked at, in hexadecimal digits; None: whatever it is now.

    Raises:
        InvalidArgument: the tool is offered otherwise by now.
    """
    here = [mcp_tools.c.server == server, *([mcp_tools.c.tool == tool] if tool else [])]
    if digest is not None:
        told = tx.execute(select(mcp_tools.c.offered).where(*here).with_for_update()).scalars().all()
        if [digest] != [offer.digest.hex() for offer in map(_offer, told) if offer]:
            raise InvalidArgument("digest", digest, f"`aios tools show {server}.{tool}` shows what is offered now")
    other = mcp_tools.alias()
    met = select(1).where(other.c.server == server, other.c.offered.is_not(None)).exists()
    gone = tx.execute(delete(mcp_tools).where(*here, mcp_tools.c.offered.is_(None), met))
    new = mcp_tools.c.accepted.is_distinct_from(mcp_tools.c.offered)
    done = tx.execute(
        update(mcp_tools).where(*here, new).values(accepted=mcp_tools.c.offered, accepted_at=func.clock_timestamp())
    )
    return int(gone.rowcount + done.rowcount)


def _offer(value: JsonObject | None) -> Offer | None:
    return None if value is None else Offer(**value)
