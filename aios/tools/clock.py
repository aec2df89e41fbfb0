"""`clock`: what time it is somewhere."""

from __future__ import annotations

import functools
import zoneinfo
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aios.errors import InvalidArgument, did_you_mean
from aios.kernel.words import Effect
from aios.tools.tool import tool

if TYPE_CHECKING:
    from aios.kernel.values import JsonObject


@tool(effect=Effect.NONE, timeout_seconds=5)
def clock(zone: str = "UTC") -> JsonObject:
    """Tell the present date, time and day of the week in a time zone.

    Args:
        zone: an IANA time zone, such as "UTC", "Europe/Berlin" or "America/New_York".

    Examples:
        What time is it in Berlin? -> {"zone": "Europe/Berlin"}
    """
    return told(datetime.now(tz=UTC), zone)


def told(instant: datetime, zone: str) -> JsonObject:
    """An instant as a model reads it, in a time zone.

    Raises:
        InvalidArgument: there is no such zone; the message names the nearest ones.
    """
    if zone not in _zones():
        near = did_you_mean(zone, _zones())
        remedy = f"did you mean {' or '.join(near)}?" if near else 'give an IANA name such as "Europe/Berlin"'
        raise InvalidArgument("zone", zone, remedy)
    local = instant.astimezone(zoneinfo.ZoneInfo(zone)).replace(microsecond=0)
    return {
        "iso": local.isoformat(),
        "date": local.date().isoformat(),
        "time": local.time().isoformat(),
        "weekday": local.strftime("%A"),
        "zone": zone,
    }


@functools.cache
def _zones() -> frozenset[str]:
    # Names are compared with this list and never used as paths unseen: zoneinfo looks them up as files.
    return frozenset(zoneinfo.available_timezones())
