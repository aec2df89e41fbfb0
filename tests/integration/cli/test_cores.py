"""`aios cores`, on real servers and without a worker."""

from __future__ import annotations

import re
import shlex

import pytest

from aios.settings import app_dir
from tests.integration.llm.conftest import running

pytestmark = pytest.mark.usefixtures("system")

URL = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("add", "a b", URL), "invalid core name 'a b': give a short one of letters"),
        (("add", "a", "127.0.0.1:1"), "invalid url '127.0.0.1:1': give http://host:port"),
        (("add", "a", "http://me:secret@host"), "invalid url 'http://...@host': give the key by --key-env"),
        (("add", "a", URL, "--kind", "tgi2"), "invalid kind 'tgi2': give one of tgi, openai"),
        (("add", "a", URL, "--slots", "0"), "invalid slots 0: give a whole number from 1 to"),
        (("add", "a", URL, "--slots", "99999999999"), "invalid slots 99999999999: give a whole number from 1 to"),
        (("add", "a", URL, "--quality", "1.5"), "invalid quality 1.5: give a number from 0 to 1"),
        (("add", "a", URL, "--cost-prompt", "-1"), "invalid cost_prompt -1.0: give a number from 0 on"),
        (("add", "default", URL), "invalid core name 'default': it is taken"),
        (("drain", "defualt"), "unknown core 'defualt'; did you mean 'default'?"),
        (("activate", "x"), "unknown core 'x'; see `aios cores list`"),
        (("remove", "default"), "invalid core 'default': it is declared as engine_url"),
        (("remove", "x"), "unknown core 'x'"),
        (("test", "x"), "unknown core 'x'"),
    ],
)
def test_a_callers_mistake_is_one_clear_line_and_code_2(aios, monkeypatch, arguments, line):
    monkeypatch.setenv("AIOS_ENGINE_URL", URL)
    answer = aios("cores", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"aios: {line}")
    assert answer.err.count("\n") == 1


def test_a_core_is_added_changed_drained_and_removed(aios):
    made = aios("cores", "add", "gpu", URL, "--alias", "fast", "--alias", "cheap", "--slots", "9", "--json").json
    assert (made["name"], made["aliases"], made["slots"], made["state"]) == ("gpu", ["fast", "cheap"], 9, "active")
    assert aios("cores", "add", "gpu", URL).code == 2
    assert aios("cores", "add", "gpu", URL, "--model", "m", "--replace").code == 0
    assert aios("cores", "drain", "gpu", "--wait").err == "gpu is empty\n"
    (row,) = aios("cores", "list", "--json").json
    assert (row["model"], row["slots"], row["aliases"], row["state"], row["used"]) == ("m", 4, [], "draining", 0)
    assert aios("cores", "activate", "gpu", "--json").json["state"] == "active"
    assert aios("cores", "remove", "gpu").code == 0
    assert aios("cores", "list", "--json").json == []


def test_what_a_command_changed_of_a_declared_core_can_be_taken_back(aios, monkeypatch):
    monkeypatch.setenv("AIOS_LLM__CORES", f'[{{"name": "own", "url": "{URL}", "slots": 3, "key_env": "OWN_KEY"}}]')
    (row,) = aios("cores", "list", "--json").json
    assert (row["origin"], row["slots"], row["key_env"]) == ("config", 3, "OWN_KEY")
    assert aios("cores", "drain", "own", "--json").json["slots"] == 3
    assert aios("cores", "list", "--json").json[0]["state"] == "draining"
    aios("cores", "remove", "own")
    assert aios("cores", "list", "--json").json == [row]


def test_what_is_drained_keeps_to_what_the_configuration_says_of_it(aios, monkeypatch):
    """The local engine has another port after each `aios up`."""
    monkeypatch.setenv("AIOS_ENGINE_URL", URL)
    (row,) = aios("cores", "list", "--json").json
    aios("cores", "drain", "default")
    monkeypatch.setenv("AIOS_ENGINE_URL", "http://127.0.0.1:2")
    monkeypatch.setenv("AIOS_LLM__SLOTS", "9")
    (drained,) = aios("cores", "list", "--json").json
    assert (drained["url"], drained["slots"], drained["state"]) == ("http://127.0.0.1:2", 9, "draining")
    aios("cores", "activate", "default")
    assert aios("cores", "remove", "default").code == 2  # nothing is changed of it any more
    assert aios("cores", "list", "--json").json == [row | {"url": "http://127.0.0.1:2", "slots": 9}]


def test_the_list_is_a_table_and_names_what_it_does_not_know(aios, monkeypatch):
    monkeypatch.setenv("AIOS_ENGINE_URL", URL)
    monkeypatch.setenv("AIOS_SCHEDULER_URL", "redis://127.0.0.1:1/0")
    aios("cores", "add", "gpu", "http://gpu:8080", "--kind", "openai", "--cost-prompt", "0.5", "--quality", "0.8")
    header, default, gpu = aios("cores", "list").out.splitlines()
    assert header.split() == ["NAME", "STATE", "KIND", "MODEL", "ALIASES", "COST", "QUALITY", "USED", "BREAKER", "URL"]
    assert default.split() == ["default", "active", "tgi", "?/4", URL]
    assert gpu.split() == ["gpu", "active", "openai", "0.5", "/", "0", "0.8", "?/4", "http://gpu:8080"]


@pytest.mark.parametrize("kind", ["tgi", "openai"])
def test_a_core_is_tried_past_the_scheduler(aios, kind):
    with running("--backend", "scripted") as engine:
        engine.script(rules=[{"answer": "hello there"}])
        aios("cores", "add", "gpu", engine.url, "--kind", kind)
        found = aios("cores", "test", "gpu", "--json").json
        assert (found["model"], found["text"]) == ("aios/scripted", "hello there")
        assert 0 < found["first_token_ms"] <= found["total_ms"]
        assert "aios/scripted: 'hello there'" in aios("cores", "test", "gpu").out


def test_a_core_that_is_down_or_without_its_key_says_so(aios):
    aios("cores", "add", "down", URL)
    answer = aios("cores", "test", "down")
    assert (answer.code, answer.out) == (1, "")
    assert "engine 'down' failed" in answer.err
    aios("cores", "add", "locked", URL, "--key-env", "NO_SUCH_KEY")
    assert "environment variable 'NO_SUCH_KEY' is not set" in aios("cores", "test", "locked").err


def test_what_the_page_says_is_what_the_commands_do(aios, monkeypatch):
    page = (app_dir() / "docs" / "howto" / "cores.md").read_text()
    lines = re.findall(r"^aios (cores .*)$", page, re.MULTILINE)
    assert len(lines) == 9
    monkeypatch.setenv("CLOUD_KEY", "secret")
    with running("--backend", "scripted") as engine:
        for line in lines:
            answer = aios(*shlex.split(line.replace("http://gpu-2:8080", engine.url)))
            assert answer.code == 0, f"{line}: {answer.err}"
    (left,) = aios("cores", "list", "--json").json
    assert (left["name"], left["kind"], left["model"], left["key_env"]) == ("cloud", "openai", "large-1", "CLOUD_KEY")
    assert (left["cost_prompt"], left["cost_completion"], left["quality"]) == (1, 4, 0.9)


def test_doctor_looks_at_every_core_and_tells_which_one_does_not_answer(aios):
    with running("--backend", "scripted") as engine:
        aios("cores", "add", "well", engine.url)
        aios("cores", "add", "down", URL, "--kind", "openai")
        found = {row["name"]: row for row in aios("doctor", "--json").json["checks"]}
    assert "engine" not in found, "no engine_url is needed where there are cores"
    assert found["core well"]["state"] == "ok"
    assert (found["core down"]["state"], found["core down"]["remedy"]) == (
        "wrong",
        "start it, or `aios cores drain down`",
    )


def test_each_commands_help_shows_an_example(aios):
    for command in ("add", "list", "drain", "activate", "remove", "test"):
        assert f"Example: aios cores {command}" in " ".join(aios("cores", command, "--help").out.split())
