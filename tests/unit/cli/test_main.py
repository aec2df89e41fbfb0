from __future__ import annotations

import pytest
import typer

from aios.cli.main import app

COMMANDS = (
    """run submit ps show result logs kill questions answer retry programs cron up down status worker doctor prune db"""
)


def leaves(command, path=()):
    children = getattr(command, "commands", None)
    if children is None:
        return [(path, command)]
    return [leaf for name, child in children.items() for leaf in leaves(child, (*path, name))]


ALL = leaves(typer.main.get_command(app))


def test_the_help_lists_every_command(aios) -> None:
    answer = aios("--help")
    assert answer.code == 0
    for name in COMMANDS.split():
        assert f"  {name} " in answer.out


def test_without_a_command_the_help_is_shown(aios) -> None:
    assert aios().out == aios("--help").out


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_every_commands_help_teaches_by_an_example(path, command) -> None:
    assert f"aios {' '.join(path)}" in (command.help or "").split("Example")[-1]


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_every_command_speaks_to_any_system(path, command) -> None:
    if path[0] != "bench":  # it brings up a system of its own
        assert any("--data-dir" in parameter.opts for parameter in command.params)


def test_the_version_is_told(aios) -> None:
    assert aios("--version").out.strip()[0].isdigit()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("frobnicate",), "No such command 'frobnicate'."),
        (("stat",), "Did you mean 'status'?"),
        (("submit", "echo"), "Missing argument 'task'."),
        (("submit", "echo", "x", "--priority", "high"), "Invalid value for '--priority'"),
        (("ps", "--frob"), "No such option"),
        (("db",), "Missing command."),
    ],
)
def test_a_wrong_call_is_one_line_and_code_2(aios, arguments, line) -> None:
    answer = aios(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert line in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize("command", ["ps", "questions", "programs", "prune"])
def test_without_a_system_the_remedy_is_named(aios, command) -> None:
    answer = aios(command)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == "aios: no database is configured; run `aios up`, or set AIOS_DATABASE_URL\n"


def test_a_wrong_setting_is_one_line(aios, monkeypatch) -> None:
    monkeypatch.setenv("AIOS_LLM__SLOTS", "many")
    answer = aios("ps")
    assert answer.code == 1
    assert answer.err.startswith("aios: setting LLM__SLOTS = 'many'")


@pytest.mark.parametrize("url", ["nonsense", "mysql://u:secret@h/d", "postgresql://h"])
def test_a_url_that_is_no_databases_is_one_line_without_its_password(aios, monkeypatch, url) -> None:
    monkeypatch.setenv("AIOS_DATABASE_URL", url)
    answer = aios("ps")
    assert (answer.code, answer.err.count("\n")) == (1, 1)
    assert "is no URL of a Postgres database" in answer.err
    assert "secret" not in answer.err
