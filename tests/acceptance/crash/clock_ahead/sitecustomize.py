"""Puts this process' wall clock 120 s ahead: imported by Python itself where this folder is on PYTHONPATH.

Stands in for libfaketime, which is not on every machine. Monotonic time stays: a wrong clock does not run at another speed.
"""

import datetime as dt
import time

AHEAD_SECONDS = 120

_time, _time_ns, _clock_gettime = time.time, time.time_ns, time.clock_gettime
_datetime = dt.datetime


class _Ahead(_datetime):
    @classmethod
    def now(cls, tz=None):
        return _datetime.now(tz) + dt.timedelta(seconds=AHEAD_SECONDS)

    @classmethod
    def utcnow(cls):
        return _datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(seconds=AHEAD_SECONDS)


def _gettime(clock):
    return _clock_gettime(clock) + (AHEAD_SECONDS if clock == time.CLOCK_REALTIME else 0)


time.time = lambda: _time() + AHEAD_SECONDS
time.time_ns = lambda: _time_ns() + AHEAD_SECONDS * 1_000_000_000
time.clock_gettime = _gettime
dt.datetime = _Ahead
