from __future__ import annotations

import io
import logging

import pytest
import typer

from aios.cli import boundary
from aios.errors import EngineFailed, InvalidArgument, Misconfigured, PathDenied, UnknownProgram


def failing(error: BaseException) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidArgument("priority", 10, "give 0 to 9"), 2),
        (UnknownProgram("ecko", ["echo"]), 2),
        (PathDenied("/etc/x", "files are in /shared/"), 2),
        (Misconfigured("no database", "run aios up"), 1),
        (EngineFailed("core", "it broke"), 1),
    ],
)
def test_an_errors_class_decides_about_the_exit_code(error, code, capsys) -> None:
    assert boundary.run(failing(error), []) == code
    assert capsys.readouterr().err == f"aios: {error}\n"


def test_an_argument_that_is_no_text_is_refused(capsys) -> None:
    assert boundary.run(failing(KeyError("not reached")), ["caf\udce9"]) == 2
    assert capsys.readouterr().err == "aios: invalid argument 'caf\\udce9': it is no UTF-8 text\n"


def test_an_unexpected_error_is_one_line_without_a_traceback(capsys) -> None:
    assert boundary.run(failing(KeyError("lost\nin several lines")), []) == 1
    err = capsys.readouterr().err
    assert err.startswith("aios: unexpected KeyError: ")
    assert err.count("\n") == 1


def test_with_debug_the_traceback_is_shown() -> None:
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    try:
        boundary.configure(debug=True)
        with pytest.raises(KeyError):
            boundary.run(failing(KeyError("lost")), [])
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]


def test_a_commands_exit_code_is_kept() -> None:
    assert boundary.run(failing(typer.Exit(7)), []) == 7


def test_ctrl_c_ends_with_130() -> None:
    assert boundary.run(failing(KeyboardInterrupt()), []) == 130


def test_a_declined_question_is_told(capsys) -> None:
    assert boundary.run(failing(typer.Abort()), []) == 1
    assert capsys.readouterr().err == "aios: stopped\n"


def test_warnings_of_the_library_are_lines(capsys) -> None:
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    try:
        boundary.configure(debug=False)
        logging.getLogger("aios.dispatch").warning("not rung: %s", "Redis is away")
        logging.getLogger("aios.dispatch").info("nobody wants to know")
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]
    assert capsys.readouterr().err == "aios: warning: not rung: Redis is away\n"


def test_what_a_terminal_cannot_show_is_no_error(monkeypatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    boundary.configure(debug=False)
    print("\u00fcn", flush=True)
    assert raw.getvalue() == b"\\xfcn\n"
