"""When a schedule is due next: plain ticks, the two days on which clocks change, and what is no expression."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.errors import InvalidArgument
from aios.kernel.cron import next_tick

BERLIN = ZoneInfo("Europe/Berlin")


def ticks(expression: str, *, after: datetime, count: int, timezone: str = "Europe/Berlin") -> list[str]:
    found = []
    for _ in range(count):
        after = next_tick(expression, after=after, timezone=timezone)
        found.append(after.astimezone(ZoneInfo(timezone)).isoformat())
    return found


def test_the_next_minute_is_due_next() -> None:
    after = datetime(2026, 11, 22, 10, 0, 59, 999999, UTC)
    assert next_tick("* * * * *", after=after, timezone="UTC") == datetime(2026, 11, 22, 10, 1, tzinfo=UTC)


def test_an_instant_that_is_a_tick_is_not_its_own_next() -> None:
    after = datetime(2026, 11, 22, 10, 1, tzinfo=UTC)
    assert next_tick("* * * * *", after=after, timezone="UTC") == datetime(2026, 11, 22, 10, 2, tzinfo=UTC)


def test_fields_are_read_in_the_time_zone_and_told_in_utc() -> None:
    after = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert next_tick("0 9 * * *", after=after, timezone="America/New_York") == datetime(2026, 7, 1, 13, tzinfo=UTC)


def test_a_time_that_spring_leaves_out_fires_at_the_first_that_exists() -> None:
    before = datetime(2027, 3, 27, 12, tzinfo=BERLIN)
    assert ticks("30 2 * * *", after=before, count=3) == [
        "2027-03-28T03:00:00+02:00",
        "2027-03-29T02:30:00+02:00",
        "2027-03-30T02:30:00+02:00",
    ]


def test_a_time_that_autumn_repeats_fires_once() -> None:
    before = datetime(2026, 10, 24, 12, tzinfo=BERLIN)
    assert ticks("30 2 * * *", after=before, count=2) == ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]


def test_a_schedule_made_in_the_repeated_hour_is_never_due_in_the_past() -> None:
    second_time = datetime(2026, 10, 25, 2, 10, fold=1, tzinfo=BERLIN)
    assert ticks("30 2 * * *", after=second_time, count=1) == ["2026-10-26T02:30:00+01:00"]


def test_every_half_hour_follows_elapsed_time_over_both_changes() -> None:
    spring = datetime(2027, 3, 28, 1, 15, tzinfo=BERLIN)
    assert ticks("*/30 * * * *", after=spring, count=3) == [
        "2027-03-28T01:30:00+01:00",
        "2027-03-28T03:00:00+02:00",
        "2027-03-28T03:30:00+02:00",
    ]
    autumn = datetime(2026, 10, 25, 1, 45, tzinfo=BERLIN)
    assert ticks("*/30 * * * *", after=autumn, count=5) == [
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:00:00+01:00",
    ]


@given(
    after=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    expression=st.sampled_from(["* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *", "15 1-3 * * *", "0 0 31 * *"]),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_ticks_always_come_later_and_never_stop(after: datetime, expression: str, timezone: str) -> None:
    first = next_tick(expression, after=after, timezone=timezone)
    second = next_tick(expression, after=first, timezone=timezone)
    assert after < first < second < after + timedelta(days=130)


@pytest.mark.parametrize(
    "expression",
    ["", "*", "* * * *", "* * * * * *", "61 * * * *", "* 25 * * *", "a b c d e", "@daily", "0 0 31 2 *", "*/0 * * * *"],
)
def test_what_is_no_expression_is_refused_by_name(expression: str) -> None:
    with pytest.raises(InvalidArgument, match="cron expression") as caught:
        next_tick(expression, after=datetime(2026, 1, 1, tzinfo=UTC), timezone="UTC")
    assert "five fields" in str(caught.value)


def test_an_overlong_expression_is_refused_short() -> None:
    with pytest.raises(InvalidArgument) as caught:
        next_tick("1," * 500 + "1 * * * *", after=datetime(2026, 1, 1, tzinfo=UTC), timezone="UTC")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("zone", ["Europe/Berln", "Europe", "", "../etc/passwd", "/etc/localtime", "a\x00b"])
def test_what_is_no_time_zone_is_refused_by_name(zone: str) -> None:
    with pytest.raises(InvalidArgument, match="time zone"):
        next_tick("* * * * *", after=datetime(2026, 1, 1, tzinfo=UTC), timezone=zone)


def test_a_misspelt_time_zone_is_answered_with_the_near_one() -> None:
    with pytest.raises(InvalidArgument, match="did you mean 'Europe/Berlin'"):
        next_tick("* * * * *", after=datetime(2026, 1, 1, tzinfo=UTC), timezone="Europe/Berln")
