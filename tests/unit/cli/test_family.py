"""The tree that `aios show --tree` prints."""

from __future__ import annotations

from uuid import UUID

from aios.cli.family import lines


def member(number, *, parent=None, forked=None, at=None, program="p"):
    ids = {"parent_id": parent and UUID(int=parent), "forked_from": forked and UUID(int=forked), "forked_at": at}
    return {"id": UUID(int=number), "program": program, "state": "done", "tokens": 1, **ids}


def test_children_and_forks_stand_below_what_they_come_from():
    rows = [member(1), member(2, parent=1), member(3, parent=2), member(4, forked=1, at=7), member(5, parent=1)]
    shape = [line.split("  p  ")[0][:-30] + line.split("  p  ")[0][-1:] for line in lines(rows, chosen=UUID(int=3))]
    assert [text.rstrip("0-") for text in shape] == [
        "0000001"[:7],
        "├─ 0000002",
        "│  └─ 0000003",
        "├─ fork after 7: 0000004",
        "└─ 0000005",
    ]
    assert [line.endswith(" <") for line in lines(rows, chosen=UUID(int=3))] == [False, False, True, False, False]


def test_an_agent_whose_parent_is_gone_is_a_root_and_control_characters_are_not_printed():
    (only,) = lines([member(2, parent=1, program="evil\x1b[2J")], chosen=UUID(int=9))
    assert only.startswith(str(UUID(int=2)))
