"""`aios bench`: the benchmarks of a checkout."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from aios.errors import Misconfigured
from aios.settings import app_dir


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    group = typer.Typer(help="Measure this machine: ratios against baselines of the same run.", no_args_is_help=True)
    group.command()(overhead)
    group.command()(policies)
    group.command()(switch)
    group.command()(scale)
    group.command()(memory)
    group.command()(access)
    group.command()(tools)
    group.command()(storage)
    group.command()(context)
    app.add_typer(group, name="bench", rich_help_panel="System")


def overhead(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Half a minute instead of several.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    profile: Annotated[str, typer.Option(help="How work changes hands: `pools` or `fused`.")] = "pools",
) -> None:
    """What a durable LLM syscall costs beside a bare Celery hop.

    Example: aios bench overhead --quick --json
    """
    options = [*(["--quick"] if quick else []), *(["--json"] if as_json else []), "--profile", profile]
    _run("overhead", options)


def policies(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A minute instead of several.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    markdown: Annotated[
        Path | None, typer.Option(metavar="PAGE", help="Write the tables between the marks of this page, too.")
    ] = None,
) -> None:
    """What a scheduling policy is worth: agents before a simulated core, in virtual time.

    Sanity checks (E0), a closed batch under each policy and five baselines (E1), and open arrivals with a heavy tail;
    rows, findings and pictures go to benchmarks/results/.

    Example: aios bench policies --quick --json
    """
    page = ["--markdown", str(markdown.resolve())] if markdown else []
    _run("policies", [*(["--quick"] if quick else []), *(["--json"] if as_json else []), *page])


def tools(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Half a minute instead of a few.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Limits of tools: never exceeded, never leaked, and how much of what they allow is used (E7).

    Twenty tools of one to eight calls at once, 250 agents that want them all, workers killed at random. It ends with 1 if a
    limit was exceeded, a call lost or a permit leaked.

    Example: aios bench tools --quick --json
    """
    _run("tools", [*(["--quick"] if quick else []), *(["--json"] if as_json else [])])


def access(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A minute instead of several.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Right decisions while rules change, irreversible operations asked, agents that wait for humans (E8).

    Anything wrong (a false allow or deny, an operation that nobody was asked about, a denial missing in the audit log after
    SIGKILL) ends it with exit code 1.

    Example: aios bench access --quick --json
    """
    _run("access", [*(["--quick"] if quick else []), *(["--json"] if as_json else [])])


def memory(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Half a minute instead of several.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """What the memory manager is worth: LRU-K beside LRU, FIFO, CLOCK and Belady (E6), its tiers, search in 100,000 notes.

    Starts a Postgres and a Valkey of its own. Code 1 if LRU-2 does not beat LRU on a scan, the quota is exceeded, recall@10
    is below 0.95 or the p95 of a search above 30 ms.

    Example: aios bench memory --quick --json
    """
    _run("memory", [*(["--quick"] if quick else []), *(["--json"] if as_json else [])])


def scale(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Up to 2,000 agents, half a minute.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    markdown: Annotated[
        Path | None, typer.Option(metavar="PAGE", help="Write the tables between the marks of this page, too.")
    ] = None,
) -> None:
    """What batching and more agents change: 1, 4 and 8 slots (E2), 250 to 10,000 agents (E3), in virtual time.

    The strategies and sanity checks of `aios bench policies`; rows, findings and pictures go to benchmarks/results/.

    Example: aios bench scale --quick --json
    """
    page = ["--markdown", str(markdown.resolve())] if markdown else []
    _run("scale", [*(["--quick"] if quick else []), *(["--json"] if as_json else []), *page])


def switch(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A minute or two instead of a quarter of an hour.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    engine: Annotated[str, typer.Option(help="simulated, llama (the small real model) or both.")] = "both",
) -> None:
    """Whether an interrupted generation says what it would have said, and what an interruption costs.

    Generations are cut, pre-empted and killed (E4: worker and engine, by SIGKILL), at each level of resuming; then slices of
    several lengths are timed (E5). It fails if a text differs that must not.

    Example: aios bench switch --quick --engine simulated
    """
    _run("switch", [*(["--quick"] if quick else []), *(["--json"] if as_json else []), "--engine", engine])


def storage(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A minute instead of several.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Versions written under SIGKILL, rollbacks, and search beside `grep -r` (E11).

    It ends with 1 if a version is wrong, lost or doubled, or a rollback gives something else than there was.

    Example: aios bench storage --quick --json
    """
    _run("storage", [*(["--quick"] if quick else []), *(["--json"] if as_json else [])])


def context(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Half a minute instead of several.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """A conversation of 1,000 turns in a window of 8,192 tokens, under each strategy that lets turns go.

    Counted are refused calls (none may be), folds, and for how many paraphrased questions a paged out fact came back.

    Example: aios bench context --quick --json
    """
    _run("context", [*(["--quick"] if quick else []), *(["--json"] if as_json else [])])


def _run(name: str, options: list[str]) -> None:
    folder = app_dir()
    if not (folder / "benchmarks" / f"{name}.py").is_file():
        raise Misconfigured("the benchmarks are not installed with the wheel", "run this in a checkout of the project")
    code = subprocess.call([sys.executable, "-m", f"benchmarks.{name}", *options], cwd=folder)  # noqa: S603  # our own module
    if code:
        raise typer.Exit(code)
