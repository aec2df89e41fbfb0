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


def test_a_worker_of_several_pools_runs_on_threads_as_many_as_its_greatest_needs() -> None:
    argv = commands.worker("tool", "llm")
    assert option(argv, "--queues") == "tool,llm"
    assert option(argv, "--hostname") == "tool-llm@%h"
    assert (option(argv, "--pool"), option(argv, "--concurrency")) == ("threads", "8")


def test_what_the_caller_says_goes_before_the_defaults() -> None:
    argv = commands.worker("llm", node="llm-7", concurrency=3, execution="solo", loglevel="DEBUG")
    assert option(argv, "--hostname") == "llm-7@%h"
    assert (option(argv, "--pool"), option(argv, "--concurrency")) == ("solo", "3")
    assert option(argv, "--loglevel") == "DEBUG"
