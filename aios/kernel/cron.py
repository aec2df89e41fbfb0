"""Cron expressions: when a schedule is due next. Pure; the caller brings the time, which is the database's.

Five fields (minute, hour, day of month, month, day of week) in a named time zone, as Debian's cron reads them: on the day
clocks go forward a time that does not exist fires at the first one that does, and on the day they go back a fixed time
fires once, the first time it comes; expressions with `*` for minute or hour follow the elapsed time instead.

Source: crontab(5) of Debian; the library `cronsim`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from aios.errors import InvalidArgument, did_you_mean

_FIELDS: Final = 5
_LONGEST_CHARACTERS: Final = 256
_REMEDY: Final = "give five fields: minute hour day month weekday, such as '*/15 9-17 * * MON-FRI'"


def next_tick(expression: str, *, after: datetime, timezone: str) -> datetime:
    """The first instant after `after` that a cron expression names, in UTC.

    Args:
        expression: five fields; a minute is the smallest step.
        after: an aware instant.
        timezone: IANA name of the zone that the fields are read in, such as `Europe/Berlin`.

    Raises:
        InvalidArgument: the expression or the zone is none, or the expression names no instant at all.
    """
    ticks = _ticks(expression, after.astimezone(_zone(timezone)))
    for tick in ticks:
        found = tick.astimezone(UTC)
        if found > after:  # in the hour that clocks repeat, the library may name the first of two equal times again
            return found
    raise InvalidArgument("cron expression", expression, "no date fits it; mend its day, month or weekday")


def _ticks(expression: str, start: datetime) -> CronSim:
    if len(expression) > _LONGEST_CHARACTERS:
        raise InvalidArgument("cron expression", expression[:40] + "...", _REMEDY)
    if len(expression.split()) != _FIELDS:  # the library would also read a field of seconds; ticks are not that fine
        raise InvalidArgument("cron expression", expression, _REMEDY)
    try:
        return CronSim(expression, start)
    except CronSimError as error:
        raise InvalidArgument("cron expression", expression, f"{error}; {_REMEDY}") from error


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # unknown, malformed, or a folder of the database of zones
        near = did_you_mean(name, available_timezones())
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "give an IANA name, such as 'Europe/Berlin'"
        raise InvalidArgument("time zone", name, hint) from error
