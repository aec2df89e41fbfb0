"""The demo's cast: a dozen agents of the programs that ship, and half as many for those in a hurry."""

from __future__ import annotations

from benchmarks.demo.cast import CAST, SHORT

SHIPPED = {"echo", "react", "map_reduce", "reflexion"}


def test_a_dozen_agents_of_every_kind_and_urgency():
    assert len(CAST) == 12
    assert {part.program for part in CAST} == SHIPPED
    assert len({part.priority for part in CAST}) >= 8


def test_the_short_cast_has_every_program_too():
    assert len(SHORT) == 6
    assert {part.program for part in SHORT} == SHIPPED
