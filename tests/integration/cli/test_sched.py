"""`aios sched` says and sets what all workers go by."""

from __future__ import annotations

from aios.db import scheduling
from aios.db.scheduling import Limit


def test_the_policy_is_chosen_with_parameters_and_given_back(system, aios):
    assert aios("sched", "show", "--json").json["policy"] == "las"
    assert aios("sched", "set", "las", "--ageing", "0.25").code == 0
    shown = aios("sched", "show").out
    assert shown.splitlines()[0] == "policy las ageing=0.25 cap_seconds=30 half_life_seconds=600 nice_seconds=10"
    assert aios("sched", "set", "fair").code == 0
    assert aios("sched", "show", "--json").json["chosen"] is True
    assert aios("sched", "reset").code == 0
    assert aios("sched", "show", "--json").json["policy"] == "las"


def test_weights_and_limits_are_kept_in_the_database(system, aios):
    assert aios("sched", "weight", "acme", "3").code == 0
    assert aios("sched", "limit", "llm@acme", "--tokens", "10000", "--requests", "60").code == 0
    assert aios("sched", "limit", "tool:browser", "--slots", "2").code == 0
    assert aios("sched", "limit", "tool:browser").err == "tool:browser: no limits of its own\n"
    with system.statement() as tx:
        choice = scheduling.choice(tx)
    assert choice.weights == {"acme": 3.0}
    assert choice.limits == {"llm@acme": Limit(None, 60, 10000)}


def test_what_cannot_be_set_is_said_in_one_line(system, aios):
    for words, told in [
        (("set", "lass"), "las?"),
        (("set", "fifo", "--ageing", "1"), "fifo has none"),
        (("weight", "acme", "0"), "greater than 0"),
        (("weight", "", "1"), "invalid"),
        (("limit", "tol:x", "--slots", "1"), "tool?"),
        (("limit", "llm", "--tokens", "0"), "from 1 on"),
    ]:
        done = aios("sched", *words)
        assert done.code == 2
        assert told in done.err
        assert done.err.count("\n") == 1
