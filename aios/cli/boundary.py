"""Where every error of a command ends: one clear line on standard error, and an exit code that says who has to act."""

import codecs
import logging
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import typer

from aios.errors import AiosError, CallerError, PathDenied

CALLERS_MISTAKE = 2
OTHER_ERROR = 1
INTERRUPTED = 130


def run(app: typer.Typer, arguments: Sequence[str] | None) -> int:
    """Run a command line; what escapes a command becomes a line and an exit code, with `--debug` a traceback.

    Args:
        app: all commands.
        arguments: None: those of this process.

    Returns:
        The exit code.
    """
    command = typer.main.get_command(app)
    for argument in sys.argv[1:] if arguments is None else arguments:
        if not _is_text(argument):
            complain(f"invalid argument {argument!r}: it is no UTF-8 text")
            return CALLERS_MISTAKE
    try:
        returned = command.main(args=arguments, prog_name="aios", standalone_mode=False)
    except typer.TyperException as error:
        complain(_usage(error))
        return error.exit_code
    except typer.Abort:
        complain("stopped")
        return OTHER_ERROR
    except Exception as error:
        if shows_tracebacks():
            raise
        complain(_explained(error))
        return exit_code(error)
    return returned if isinstance(returned, int) else 0


class _Lines(logging.Handler):
    """Warnings of the library as lines of the command line."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(f"{record.levelname.lower()}: {record.getMessage()}")


def configure(*, debug: bool) -> None:
    """Show what the library warns of, such as a Redis that does not answer; with `debug` all that it tells, and tracebacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and codecs.lookup(stream.encoding).name != "utf-8":
            stream.reconfigure(errors="backslashreplace")  # half a table helps nobody
    root = logging.getLogger()
    root.handlers[:] = [_Lines()]
    root.setLevel(logging.DEBUG if debug else logging.WARNING)


def shows_tracebacks() -> bool:
    """Whether `--debug` was given."""
    return logging.getLogger().level == logging.DEBUG


def complain(text: str) -> None:
    """One line on standard error."""
    print(f"aios: {text}", file=sys.stderr, flush=True)


def exit_code(error: Exception) -> int:
    """2 for what the caller can mend in the command itself, 1 for everything else."""
    return CALLERS_MISTAKE if isinstance(error, (CallerError, PathDenied)) else OTHER_ERROR


def _is_text(argument: str) -> bool:
    """Whether it can be sent anywhere: bytes that are no UTF-8 reach a program as lone surrogates."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _usage(error: typer.TyperException) -> str:
    context: typer.Context | None = getattr(error, "ctx", None)
    line = " ".join(error.format_message().split())
    return f"{line} (see `{context.command_path} --help`)" if context else line


def _explained(error: Exception) -> str:
    if isinstance(error, AiosError):
        return str(error)
    first = (str(error).strip().splitlines() or [""])[0]
    return f"unexpected {type(error).__name__}: {first} (`aios --debug ...` shows where)"
