"""Share links: a token that opens one file until it expires or is revoked; who has it needs nothing else.

A token is an id and an expiry with an HMAC over both, so a forged or prolonged one is refused without a look at the
database; the row says which file it is, and whether the link was revoked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from sqlalchemy import and_, func, insert, literal, select, update

from aios.db.tables import files as rows
from aios.db.tables import share_links
from aios.errors import LinkRefused, NotFound
from aios.storage import files

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Select

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject
    from aios.storage.blobs import Blobs

_FORM: Final = struct.Struct(">16sQ")  # the link's id, and the second at which it expires
_SEAL_BYTES: Final = 16  # 128 bits of HMAC-SHA-256: nobody guesses them
_PURPOSE: Final = b"aios share link 1"
_LONGEST: Final = 100


class Opened(NamedTuple):
    """What a link opens."""

    path: str
    version: int
    media_type: str
    data: bytes


@dataclass(frozen=True)
class Links:
    """Makes and opens links; every process with the same key understands them.

    Attributes:
        key: gives it, when it is first needed.
    """

    key: Callable[[], bytes]

    def make(
        self, tx: Transaction, path: str, *, id: UUID, version: int | None, seconds: float, agent_id: UUID | None
    ) -> JsonObject:
        """A link to a file, or to one version of it.

        Raises:
            NotFound: there is no such file or version.
        """
        known = files.find(tx, path)
        if known is None or (version is not None and not files.hold(tx, path, version)):
            raise NotFound("file", path if version is None else f"{path}, version {version}")
        expires = func.date_trunc("second", func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds))
        values = {"id": id, "file_id": known.id, "version": version, "agent_id": agent_id, "expires_at": expires}
        at = tx.execute(insert(share_links).values(values).returning(share_links.c.expires_at)).scalar_one()
        token = self.sign(id, at)
        return {"link": token, "id": str(id), "path": path, "version": version, "expires_at": at.isoformat()}

    def sign(self, id: UUID, expires_at: datetime) -> str:
        """The token of a link."""
        body = _FORM.pack(id.bytes, int(expires_at.timestamp()))
        return base64.urlsafe_b64encode(body + self._seal(body)).decode().rstrip("=")

    def verify(self, token: str) -> UUID:
        """The id in a token that this key has signed and that has not expired, by this host's clock too.

        Raises:
            LinkRefused: it is none.
        """
        try:
            raw = base64.urlsafe_b64decode(token[:_LONGEST] + "=" * (-len(token) % 4))
            body, seal = raw[: _FORM.size], raw[_FORM.size :]
            id_bytes, expires = _FORM.unpack(body)
        except (binascii.Error, struct.error, ValueError) as error:
            raise LinkRefused("is no link of this system") from error
        if len(token) > _LONGEST or not hmac.compare_digest(seal, self._seal(body)):
            raise LinkRefused("is no link of this system")
        if base64.urlsafe_b64encode(raw).decode().rstrip("=") != token:  # one spelling only
            raise LinkRefused("is no link of this system")
        if expires <= datetime.now(UTC).timestamp():
            raise LinkRefused("has expired")
        return UUID(bytes=id_bytes)

    def open(self, tx: Transaction, token: str, *, blobs: Blobs) -> Opened:
        """What a link opens.

        Raises:
            LinkRefused: it is forged, expired or revoked, or its file is gone.
        """
        row = tx.execute(_target(self.verify(token))).one_or_none()
        if row is None:
            raise LinkRefused("opens nothing any more")
        if row.revoked_at is not None:
            raise LinkRefused("was revoked")
        if row.over:
            raise LinkRefused("has expired")
        found = files.read(tx, row.path, version=row.wanted, blobs=blobs)
        if found is None or (row.version is None and row.deleted):
            raise LinkRefused("opens nothing any more")
        return Opened(row.path, found.version, found.media_type, found.data)

    def _seal(self, body: bytes) -> bytes:
        return hmac.new(self.key(), _PURPOSE + body, hashlib.sha256).digest()[:_SEAL_BYTES]


def revoke(tx: Transaction, path: str, link: str) -> int:
    """Let a link (its id, or its token) of a file open nothing any more; gives how many that were.

    Raises:
        NotFound: the file has no such link.
    """
    mine = select(rows.c.id).where(rows.c.path == path).scalar_subquery()
    wanted = and_(share_links.c.file_id == mine, share_links.c.id == literal(_id(link)))
    gone = func.coalesce(share_links.c.revoked_at, func.clock_timestamp())
    revoked = tx.execute(update(share_links).where(wanted).values(revoked_at=gone)).rowcount
    if not revoked:
        raise NotFound("share link", link)
    return revoked


def of_file(tx: Transaction, path: str) -> list[JsonObject]:
    """The links to a file, newest first, without what opens them."""
    found = tx.execute(
        select(share_links, (share_links.c.expires_at <= func.clock_timestamp()).label("over"))
        .join(rows, rows.c.id == share_links.c.file_id)
        .where(rows.c.path == path)
        .order_by(share_links.c.created_at.desc())
    )
    return [
        {
            "id": str(row.id),
            "version": row.version,
            "agent": str(row.agent_id) if row.agent_id else None,
            "created_at": row.created_at.isoformat(),
            "expires_at": row.expires_at.isoformat(),
            "state": "revoked" if row.revoked_at else "expired" if row.over else "open",
        }
        for row in found
    ]


def _target(id: UUID) -> Select[*tuple[object, ...]]:
    over = (share_links.c.expires_at <= func.clock_timestamp()).label("over")
    wanted = func.coalesce(share_links.c.version, rows.c.version).label("wanted")
    columns = rows.c.path, rows.c.deleted, share_links.c.version, wanted, share_links.c.revoked_at, over
    return select(*columns).join(share_links, share_links.c.file_id == rows.c.id).where(share_links.c.id == id)


def _id(link: str) -> UUID:
    """The id in a link, whether it is the id itself or a token; what is neither names no link."""
    try:
        if len(link) == len(str(UUID(int=0))):
            return UUID(link)
        return UUID(bytes=base64.urlsafe_b64decode(link + "=" * (-len(link) % 4))[:16])
    except (ValueError, binascii.Error) as error:
        raise NotFound("share link", link[:40]) from error
