"""`clock`: the time in a zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aios.errors import InvalidArgument
from aios.tools.clock import clock, told

SUMMER = datetime(2026, 7, 1, 22, 30, 15, 999, tzinfo=UTC)


def test_an_instant_is_told_in_the_zones_own_time():
    assert told(SUMMER, "Europe/Berlin") == {
        "iso": "2026-07-02T00:30:15+02:00",
        "date": "2026-07-02",
        "time": "00:30:15",
        "weekday": "Thursday",
        "zone": "Europe/Berlin",
    }


def test_the_clock_goes():
    told = datetime.fromisoformat(clock()["iso"])
    assert abs((datetime.now(tz=UTC) - told).total_seconds()) < 5


@pytest.mark.parametrize("zone", ["Europe/Berln", "", "../../etc/passwd", "/etc/localtime", "Europe", "a\x00b"])
def test_an_unknown_zone_is_refused_whatever_it_looks_like(zone):
    with pytest.raises(InvalidArgument):
        told(SUMMER, zone)


def test_a_misspelt_zone_is_answered_with_the_nearest():
    with pytest.raises(InvalidArgument, match="Europe/Berlin"):
        told(SUMMER, "Europe/Berln")
