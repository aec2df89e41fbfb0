"""`aios bench`: the benchmarks of a checkout."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aios.errors import Misconfigured
from aios.settings import app_dir

if TYPE_CHECKING:
    from collections.abc import Callable


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    group = typer.Typer(help="Measure this machine: ratios against baselines of the same run.", no_args_is_help=True)
    asks: dict[Callable[..., None], str] = {
        overhead: "E9: what does a durable LLM call cost, in CPU, messages and commits, beside a bare Celery hop?",
        arrivals: "E9: what does the kernel add to a call while 250 are in flight, beside bare Celery and AIOS's FIFO (B4)?",
        policies: "E0, E1: whom does each policy let wait? Closed batch and open arrivals, baselines B0-B4, virtual time.",
        scale: "E2, E3: what do batching and more agents change? To 10,000 in virtual time; --real: 2,000 on real processes.",
        switch: "E4, E5: does an interrupted or killed generation say what it would have said, and what does a slice cost?",
        memory: "E6: is LRU-K worth it, does the quota hold, how fast is search in 100,000 notes?",
        tools: "E7: are limits of tools kept, and used, while workers are killed?",
        access: "E8: is every decision right while rules change, and every irreversible operation asked?",
        storage: "E11: are versions right under SIGKILL, and rollbacks? Search beside `grep -r`.",
        routing: "E12: how near is routing by cost and quality to the exact optimum? Six models, virtual time.",
        peers: "E13: the same agent on DBOS, LangGraph, procrastinate and plain Celery: who is quicker, cheaper, back sooner?",
        context: "What comes back of a talk of 1,000 turns in a window of 8,192 tokens?",
        calibration: "How far is the simulated engine's timing model from the real local model?",
    }
    for command, question in asks.items():
        group.command(short_help=question)(command)
    app.add_typer(group, name="bench", rich_help_panel="System")


def overhead(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A minute or two instead of several.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    profile: Annotated[str, typer.Option(help="How work changes hands: `pools` or `fused`.")] = "pools",
) -> None:
    """What a durable LLM syscall costs beside a bare Celery hop.

    Example: aios bench overhead --quick --json
    """
    options = [*(["--quick"] if quick else []), *(["--json"] if as_json else []), "--profile", profile]
    _run("overhead", options)


def arrivals(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A minute and a half instead of four.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    profile: Annotated[str, typer.Option(help="How work changes hands: `pools` or `fused`.")] = "pools",
    markdown: Annotated[
        Path | None, typer.Option(metavar="PAGE", help="Write the tables between the marks of this page, too.")
    ] = None,
) -> None:
    """What the kernel adds to an LLM call under open arrivals, beside bare Celery and the published AIOS's FIFO (E9).

    Agents arrive at random at half of the throughput measured before, the engine takes as long as it must for 250 calls to be
    in flight. Added is all that the engine's own log does not account for, in four parts. A row of each call goes to
    benchmarks/results/.

    Example: aios bench arrivals --profile fused --json
    """
    page = ["--markdown", str(markdown.resolve())] if markdown else []
    options = [*(["--quick"] if quick else []), *(["--json"] if as_json else []), *page]
    _run("arrivals", [*options, "--profile", profile])


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
    markdown: Annotated[
        Path | None, typer.Option(metavar="PAGE", help="Write the tables between the marks of this page, too.")
    ] = None,
) -> None:
    """What the memory manager is worth: LRU-K beside LRU, FIFO, CLOCK and Belady (E6), its tiers, search in 100,000 notes.

    Starts a Postgres and a Valkey of its own. Code 1 if LRU-2 does not beat LRU on a scan, the quota is exceeded, recall@10
    is below 0.95 or the p95 of a search above 30 ms. Rows and findings go to benchmarks/results/.

    Example: aios bench memory --quick --json
    """
    page = ["--markdown", str(markdown.resolve())] if markdown else []
    _run("memory", [*(["--quick"] if quick else []), *(["--json"] if as_json else []), *page])


def scale(
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer agents, half a minute (--real: one and a half).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    real: Annotated[bool, typer.Option("--real", help="On real processes instead of in virtual time.")] = False,
    markdown: Annotated[
        Path | None, typer.Option(metavar="PAGE", help="Write the tables between the marks of this page, too.")
    ] = None,
) -> None:
    """What batching and more agents change: 1, 4 and 8 slots (E2), 250 to 10,000 agents (E3), in virtual time.

    The strategies and sanity checks of `aios bench policies`; rows, findings and pictures go to benchmarks/results/.

    With --real: 250 to 2,000 agents on real workers, Postgres and Valkey, with CPU and wall time per agent and the memory
    that an agent takes while it waits.

    Example: aios bench scale --real --json
    """
    page = ["--markdown", str(markdown.resolve())] if markdown else []
    _run("growth" if real else "scale", [*(["--quick"] if quick else []), *(["--json"] if as_json else []), *page])


def switch(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A minute or two instead of a quarter of an hour.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    engine: Annotated[str, typer.Option(help="simulated, llama (the small real model) or both.")] = "both",
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the rows that are there, and do what is left.")
    ] = False,
    markdown: Annotated[
        Path | None, typer.Option(metavar="PAGE", help="Write the tables between the marks of this page, too.")
    ] = None,
) -> None:
    """Whether an interrupted generation says what it would have said, and what an interruption costs.

    Generations are cut, pre-empted and killed (E4: worker and engine, by SIGKILL), at each level of resuming; then slices of
    several lengths are timed (E5). It fails if a text differs that must not. Rows and findings go to benchmarks/results/.

    Example: aios bench switch --quick --engine simulated
    """
    page = ["--markdown", str(markdown.resolve())] if markdown else []
    kept = ["--resume"] if resume else []
    _run(
        "switch", [*(["--quick"] if quick else []), *(["--json"] if as_json else []), "--engine", engine, *kept, *page]
    )


def storage(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A minute instead of several.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    markdown: Annotated[
        Path | None, typer.Option(metavar="PAGE", help="Write the tables between the marks of this page, too.")
    ] = None,
) -> None:
    """Versions written under SIGKILL, rollbacks, and search beside `grep -r` (E11).

    It ends with 1 if a version is wrong, lost or doubled, or a rollback gives something else than there was.
    Rows and findings go to benchmarks/results/.

    Example: aios bench storage --quick --json
    """
    page = ["--markdown", str(markdown.resolve())] if markdown else []
    _run("storage", [*(["--quick"] if quick else []), *(["--json"] if as_json else []), *page])


def routing(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Some seconds instead of minutes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    markdown: Annotated[
        Path | None, typer.Option(metavar="PAGE", help="Write the tables between the marks of this page, too.")
    ] = None,
) -> None:
    """What routing by cost and quality costs beside a linear program that knows all queries before (E12).

    2,000 queries with known truth, six virtual models, a mean quality to keep; round robin, the cheapest and the best model
    beside it. It ends with 1 if a router beats the optimum. Rows and findings go to benchmarks/results/.

    Example: aios bench routing --quick --json
    """
    page = ["--markdown", str(markdown.resolve())] if markdown else []
    _run("routing", [*(["--quick"] if quick else []), *(["--json"] if as_json else []), *page])


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


def calibration(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A minute instead of several.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    markdown: Annotated[
        Path | None, typer.Option(metavar="PAGE", help="Write the table between the marks of this page, too.")
    ] = None,
) -> None:
    """How far the simulated engine's timing model is from the real local model.

    The model's three constants are measured and fitted; then the same agents run for real and in the model, and the
    difference of their total times is the model's error.

    Example: aios bench calibration --quick
    """
    page = ["--markdown", str(markdown.resolve())] if markdown else []
    _run("calibration", [*(["--quick"] if quick else []), *(["--json"] if as_json else []), *page])


def peers(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Two minutes instead of a quarter of an hour.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Measure this contender; may be given several times.")
    ] = None,
    passes: Annotated[
        int,
        typer.Option(min=0, help="Passes over all contenders, every second one backwards; 0: one if quick, else two."),
    ] = 0,
    markdown: Annotated[
        Path | None, typer.Option(metavar="PAGE", help="Write the tables between the marks of this page, too.")
    ] = None,
) -> None:
    """This kernel beside its durable peers, in the same run: operations a second, CPU, bytes, recovery after SIGKILL (E13).

    Contenders: pools, fused, celery, langgraph-asyncio, langgraph-threads, dbos, procrastinate, asyncio. Each peer is
    installed into an environment of its own (.venv-peers/) when it is first measured; one that cannot be is named.

    Example: aios bench peers --quick --only fused --only dbos
    """
    chosen = [word for name in only or [] for word in ("--only", name)]
    page = ["--markdown", str(markdown.resolve())] if markdown else []
    _run(
        "peers",
        [*(["--quick"] if quick else []), *(["--json"] if as_json else []), "--passes", str(passes), *chosen, *page],
    )


def _run(name: str, options: list[str]) -> None:
    folder = app_dir()
    if not (folder / "benchmarks").is_dir():
        raise Misconfigured("the benchmarks are not installed with the wheel", "run this in a checkout of the project")
    code = subprocess.call([sys.executable, "-m", f"benchmarks.{name}", *options], cwd=folder)  # noqa: S603  # our own module
    if code:
        raise typer.Exit(code)
