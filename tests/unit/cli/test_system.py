from __future__ import annotations

import pytest

from aios.cli.system import _hidden
from aios.local import state


def test_where_nothing_runs_status_says_how_to_start_it(aios, tmp_path) -> None:
    answer = aios("status")
    assert (answer.code, answer.out) == (0, "")
    assert "start it with `aios up`" in answer.err


def test_the_json_of_a_status_has_its_three_parts(aios, tmp_path) -> None:
    assert aios("status", "--json").json == {"processes": [], "urls": {}, "data_dir": str(tmp_path / "data")}


def test_a_data_dir_can_be_given_to_the_command(aios, tmp_path) -> None:
    assert aios("status", "--json", "--data-dir", str(tmp_path)).json["data_dir"] == str(tmp_path)


def test_flowers_password_is_shown_and_the_others_are_not(aios, tmp_path) -> None:
    process = state.Recorded(name="worker-llm", pool="llm", pid=1, started="never")
    settings = {"database_url": "postgresql://aios:secret@h:1/aios"}
    flower = state.Flower(url="http://h:2", user="aios", password="to-be-typed")
    state.save(tmp_path, state.SystemState(settings=settings, processes=(process,), flower=flower))
    answer = aios("status", "--data-dir", str(tmp_path))
    assert "postgresql://aios:***@h:1/aios" in answer.out
    assert "http://aios:to-be-typed@h:2" in answer.out
    assert "secret" not in answer.out
    assert "dead" in answer.out


@pytest.mark.parametrize(
    ("url", "shown"),
    [("redis://:a%40b@h:1/0", "redis://:***@h:1/0"), ("http://h:1", "http://h:1"), ("redis://h", "redis://h")],
)
def test_a_url_is_shown_without_its_password(url, shown) -> None:
    assert _hidden(url) == shown


def test_an_unknown_backend_is_refused(aios) -> None:
    answer = aios("up", "--backend", "gpt")
    assert (answer.code, answer.err) == (2, "aios: invalid backend 'gpt': give one of llama, simulated, scripted\n")


def test_down_where_nothing_runs_does_nothing(aios) -> None:
    answer = aios("down")
    assert (answer.code, answer.err) == (0, "nothing was running\n")
