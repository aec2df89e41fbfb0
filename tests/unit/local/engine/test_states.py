import os
import time

import pytest

from aios.local.engine.refusal import Refusal
from aios.local.engine.states import Room, StateRef, States

MARK = "0123456789abcdef"


def states(folder, **room):
    return States(folder / "slots", fingerprint=MARK, room=Room(**room))


def test_a_state_is_found_again_by_its_name_and_digest(tmp_path):
    kept = states(tmp_path)
    saved = kept.write(kept.name(), b"numbers", tokens=3)
    assert states(tmp_path).check(StateRef(saved.id, saved.digest)).read_bytes() == b"numbers"
    assert (saved.bytes, saved.tokens) == (7, 3)


@pytest.mark.parametrize(
    "spoil", [lambda path: path.write_bytes(b"other"), lambda path: path.write_bytes(b""), os.unlink]
)
def test_one_that_is_gone_or_altered_is_lost(tmp_path, spoil):
    kept = states(tmp_path)
    saved = kept.write(kept.name(), b"numbers", tokens=3)
    spoil(kept.path(saved.id))
    with pytest.raises(Refusal) as raised:
        kept.check(StateRef(saved.id, saved.digest))
    assert (raised.value.kind, raised.value.status) == ("state_lost", 409)
    assert not kept.path(saved.id).exists()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "", f"{MARK}-x", f"{MARK}-{'a' * 32}\n", "f" * 16 + "-" + "a" * 32]
)
def test_names_of_others_and_no_names_are_lost_states(tmp_path, name):
    with pytest.raises(Refusal):
        states(tmp_path).check(StateRef(name, "digest"))


def test_dropping_touches_states_alone(tmp_path):
    kept = states(tmp_path)
    (tmp_path / "precious.kv").write_text("x")
    saved = kept.write(kept.name(), b"x", tokens=1)
    kept.drop(["../precious", saved.id, saved.id])
    assert not kept.path(saved.id).exists()
    assert (tmp_path / "precious.kv").exists()


def test_the_oldest_make_room_and_the_outdated_go(tmp_path):
    kept = states(tmp_path, bytes=25, seconds=100.0)
    saved = [kept.write(kept.name(), b"0123456789", tokens=1) for _ in range(2)]
    os.utime(kept.path(saved[1].id), (1, time.time() - 50))
    third = kept.write(kept.name(), b"0123456789", tokens=1)
    assert [kept.path(s.id).exists() for s in (*saved, third)] == [True, False, True]
    os.utime(kept.path(third.id), (1, time.time() - 200))
    kept.sweep()
    assert [kept.path(s.id).exists() for s in (*saved, third)] == [True, False, False]


def test_what_is_larger_than_all_the_room_is_not_kept(tmp_path):
    kept = states(tmp_path, bytes=5)
    with pytest.raises(OSError, match="full"):
        kept.write(kept.name(), b"0123456789", tokens=1)
    assert list((tmp_path / "slots").iterdir()) == []


def test_nobody_else_may_read_the_folder(tmp_path):
    states(tmp_path)
    assert (tmp_path / "slots").stat().st_mode & 0o077 == 0
