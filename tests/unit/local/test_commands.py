from __future__ import annotations

from aios.local import commands


def option(argv: tuple[str, ...], name: str) -> str:
    return argv[argv.index(name) + 1]


def test_a_pools_worker_has_the_defaults_of_its_pool() -> None:
    tool, llm = commands.worker("tool"), commands.worker("llm")
    assert (option(tool, "--pool"), option(tool, "--concurrency")) == ("prefork", "2")
    assert (option(llm, "--pool"), option(llm, "--concurrency")) == ("threads", "8")
    assert option(llm, "--queues") == "llm"
    assert option(llm, "--hostname") == "llm@%h"


def test_a_worker_of_several_pools_has_the_threads_of_them_all() -> None:
    argv = commands.worker("tool", "llm")
    assert option(argv, "--queues") == "tool,llm"
    assert option(argv, "--hostname") == "tool-llm@%h"
    assert (option(argv, "--pool"), option(argv, "--concurrency")) == ("threads", "10")


def test_in_fused_one_worker_serves_all_that_it_goes_on_with_and_every_pool_is_served() -> None:
    assert commands.crew("pools") == [(pool,) for pool in commands.POOLS]
    crew = commands.crew("fused")
    assert commands.FUSED in crew
    assert sorted(pool for pools in crew for pool in pools) == sorted(commands.POOLS)


def test_what_the_caller_says_goes_before_the_defaults() -> None:
    argv = commands.worker("llm", node="llm-7", concurrency=3, execution="solo", loglevel="DEBUG")
    assert option(argv, "--hostname") == "llm-7@%h"
    assert (option(argv, "--pool"), option(argv, "--concurrency")) == ("solo", "3")
    assert option(argv, "--loglevel") == "DEBUG"
