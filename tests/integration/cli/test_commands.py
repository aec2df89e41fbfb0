"""Commands that need servers but no worker, in this process."""

from __future__ import annotations

import io
import re

import pytest

from aios.db import version
from aios.db.session import Database

pytestmark = pytest.mark.usefixtures("system")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("submit", "ecko", "x"), "unknown program 'ecko'; did you mean 'echo'?"),
        (("submit", "spoilt", "x"), "program 'spoilt' does not load (SyntaxError: no); mend its file"),
        (("submit", "echo", " "), "invalid task ' ': say what the agent should do"),
        (("submit", "echo", "x", "--priority", "10"), "invalid priority 10: give a whole number from 0 "),
        (("submit", "echo", "x", "--budget", "gold=1"), "invalid budget 'gold': a budget is one of children, "),
        (("submit", "echo", "x", "--budget", "tokens=-1"), "invalid budget tokens -1: "),
        (("submit", "echo", "x", "--tenant", ""), "invalid principal 'tenant:'"),
        (("pause", "--tenant", ""), "invalid principal 'tenant:'"),
        (("kill", "--group", " "), "invalid principal 'group: '"),
        (("result", "ffffffff"), "no agent 'ffffffff'"),
        (("result", "last", "--timeout=-1"), "Invalid value for '--timeout'"),
        (("result", "last", "--timeout", "nan"), "Invalid value for '--timeout'"),
        (("tools", "accept", "weather", "--digest", "ab"), "invalid digest 'ab': it is one tool's: give SERVER.TOOL"),
        (("show", "nonsense"), "no agent 'nonsense'"),
        (("kill", "last"), "no agent 'last'"),
        (("answer", "last", "x"), "no agent 'last'"),
        (("retry", "last"), "no agent 'last'"),
        (("logs", "last"), "no agent 'last'"),
        (("ps", "--limit", "99999999999999999999"), "Invalid value for '--limit'"),
        (("fs", "search", "x", "--after", "0001-01-01T00:00+02:00"), "invalid time '0001-01-01T00:00+02:00'"),
        (("ps", "--state", "asleep"), "invalid state 'asleep': give one of queued, running"),
        (("cron", "add", "x", "at noon", "echo", "x"), "invalid cron expression 'at noon'"),
        (("cron", "add", "x", "0 7 * * *", "ecko", "x"), "unknown program 'ecko'"),
        (("cron", "history", "x"), "no schedule 'x'"),
        (("db", "downgrade", "no-such", "--yes"), "invalid migration "),
    ],
)
def test_a_callers_mistake_is_one_clear_line_and_code_2(aios, arguments, line) -> None:
    answer = aios(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"aios: {line}")
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(("words", "offered"), [("aios subm", "submit"), ("aios submit ec", "echo")])
def test_a_shell_completes_commands_and_programs(aios, monkeypatch, words, offered) -> None:
    asked = {"_AIOS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    assert offered in aios().out.split()


def test_a_task_of_5_mb_is_refused_in_one_line(aios, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("x" * 5_000_000))  # what a shell would pipe in
    answer = aios("submit", "echo", "-")
    assert answer.code == 2
    assert "invalid task '(too long)': it has 50000" in answer.err


@pytest.mark.parametrize("levels", [102, 900, 50_000])
def test_a_task_that_is_nested_too_deeply_is_refused_in_one_line(aios, levels) -> None:
    answer = aios("submit", "echo", "--json-task", "[" * levels + "]" * levels)
    assert answer.code == 2
    assert answer.err.startswith("aios: ")
    assert ("nested more than 100 levels" in answer.err) == (levels < 1000)
    assert answer.err.count("\n") == 1


def test_a_live_table_is_not_for_scripts(aios) -> None:
    answer = aios("ps", "--watch", "--json")
    assert (answer.code, answer.out) == (2, "")


def test_what_is_submitted_is_listed_shown_and_killed(aios) -> None:
    agent = aios("submit", "echo", '{"n": 1}', "--json-task", "-p", "2", "-b", "tokens=10", "--json").json["id"]
    (row,) = aios("ps", "--json").json
    assert (row["id"], row["program"], row["state"], row["priority"]) == (agent, "echo", "queued", 2)
    assert row.keys() == {"id", "program", "state", "priority", "created_at"}
    shown = aios("show", agent[-12:], "--json").json
    assert shown["syscalls"] == []
    assert (shown["agent"]["task"], shown["agent"]["budgets"]) == ({"n": 1}, {"tokens": 10})
    waiting = aios("result", agent, "--timeout", "0", "--json")
    assert (waiting.code, waiting.json) == (1, {"id": agent, "state": "queued", "result": None, "error": None})
    assert f"agent {agent} has not ended, it is queued" in aios("result", agent, "--timeout", "0").err
    assert aios("kill", "last").out == f"{agent}\n"
    assert aios("kill", "last").code == 2
    assert aios("result", "last").err == f"aios: agent {agent} was cancelled\n"
    assert aios("ps", "--state", "queued", "--json").json == []


@pytest.mark.parametrize("verb", ["kill", "pause", "resume"])
def test_whoever_steers_a_tenant_without_agents_is_told(aios, verb) -> None:
    found = aios(verb, "--tenant", "nobody")
    assert (found.code, found.out, found.err) == (0, "", "it concerned no agent\n")


def test_the_same_key_starts_one_agent(aios) -> None:
    assert aios("submit", "echo", "x", "--key", "k").out == aios("submit", "echo", "x", "--key", "k").out
    assert len(aios("ps", "--json").json) == 1


def test_a_terminal_or_a_pipe_a_table_names_its_columns(aios) -> None:
    aios("submit", "echo", "a long\ntask " * 20)
    assert re.match(r"ID +PROGRAM +STATE +PRIORITY +STARTED +STEPS +TOKENS +TASK\n", aios("ps").out)
    assert re.search(r"^spoilt .*ERROR: SyntaxError: no$", aios("programs").out, re.MULTILINE)
    assert "submitted  " in aios("show", "last").out


def test_a_schedule_is_added_listed_and_removed(aios) -> None:
    added = aios("cron", "add", "news", "0 7 * * MON", "echo", "x", "--timezone", "Europe/Berlin")
    assert "news is due next at " in added.err
    (row,) = aios("cron", "list", "--json").json
    assert (row["name"], row["cron"], row["timezone"], row["program"]) == (
        "news",
        "0 7 * * MON",
        "Europe/Berlin",
        "echo",
    )
    assert "Europe/Berlin" in aios("cron", "list").out
    agent = aios("cron", "run-now", "news", "--json").json["id"]
    assert [run["agent_id"] for run in aios("cron", "history", "news", "--json").json] == [agent]
    assert "by hand" in aios("cron", "history", "news").out
    assert aios("cron", "remove", "news").code == 0
    assert aios("cron", "remove", "news").code == 2


def test_prune_counts_what_it_removed(aios) -> None:
    assert aios("prune", "--older-than", "1d", "--json").json == {
        "agents": 0,
        "schedule_runs": 0,
        "contexts": 0,
        "blobs": 0,
        "file_versions": 0,
        "files": 0,
        "objects": 0,
    }


def test_a_database_is_brought_down_and_up_again(aios, database_url) -> None:
    assert aios("db", "check").err == "the database fits\n"
    assert aios("db", "downgrade", "base", "--yes").out == "the database is at migration None\n"
    for command in (("ps",), ("submit", "echo", "x"), ("db", "check")):
        behind = aios(*command)
        assert behind.code == 1
        assert re.search(r"at migration None, this version needs '\d+'; run `aios db upgrade`", behind.err)
    head = aios("db", "upgrade").out.split()[-1]
    assert aios("db", "upgrade").code == 0
    assert aios("db", "current").out == f"{head}\n"
    database = Database(database_url)
    version.require(database)
    database.close()


def test_a_database_of_a_newer_version_is_left_alone(aios, system) -> None:
    with system.transaction() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for command in (("db", "check"), ("db", "upgrade")):
        ahead = aios(*command)
        assert (ahead.code, ahead.out) == (1, "")
        assert re.search(r"at migration '9999', this version needs '\d+'; install the newer AIOS", ahead.err)


FULL = """
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device' USING ERRCODE = 'disk_full';
    END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON agents FOR EACH STATEMENT EXECUTE FUNCTION full_disk()
"""


def test_a_full_disk_is_one_clear_line_and_then_work_goes_on(aios, system) -> None:
    with system.transaction() as tx:
        tx.exec_driver_sql(FULL)
    full = aios("submit", "echo", "x")
    assert (full.code, full.out, full.err.count("\n")) == (1, "", 1)
    assert "No space left on device" in full.err
    with system.transaction() as tx:
        tx.exec_driver_sql("DROP TRIGGER full_disk ON agents")
    assert aios("submit", "echo", "x").code == 0
    assert len(aios("ps", "--json").json) == 1


def test_tables_that_differ_from_the_code_are_told(aios, system) -> None:
    with system.transaction() as tx:
        tx.exec_driver_sql("ALTER TABLE agents ADD COLUMN stray integer")
    answer = aios("db", "check")
    assert answer.code == 1
    assert "the tables are not those of the code" in answer.err
    assert "stray" in answer.err


def test_with_redis_away_a_submit_gives_its_id_and_a_warning(aios, monkeypatch) -> None:
    monkeypatch.setenv("AIOS_REDIS_URL", "redis://127.0.0.1:1/0")
    answer = aios("submit", "echo", "x")
    assert answer.code == 0
    assert re.fullmatch(r"[0-9a-f-]{36}\n", answer.out)
    assert answer.err.startswith("aios: warning: not rung, recovery will ring again: Redis 127.0.0.1:1/0")
