from __future__ import annotations

import pytest


@pytest.mark.parametrize("pools", ["gpu", "llm,gpu", "", "llm,"])
def test_an_unknown_pool_is_refused(aios, pools) -> None:
    answer = aios("worker", pools)
    assert answer.code == 2
    assert "give one or several of system, storage, memory, tool, llm, agent, or `all`" in answer.err


def test_an_unknown_way_to_execute_is_refused(aios) -> None:
    assert (
        aios("worker", "llm", "--pool", "gevent").err
        == "aios: invalid --pool 'gevent': give threads or prefork or solo\n"
    )


def test_an_unknown_log_level_is_refused(aios) -> None:
    assert aios("worker", "llm", "--loglevel", "loud").err == (
        "aios: invalid --loglevel 'loud': give DEBUG or INFO or WARNING or ERROR\n"
    )


def test_without_servers_a_worker_says_what_to_do(aios) -> None:
    answer = aios("worker", "llm")
    assert answer.code == 1
    assert "run `aios up`, or set AIOS_DATABASE_URL and AIOS_REDIS_URL" in answer.err
