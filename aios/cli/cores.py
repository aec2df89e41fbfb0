"""`aios cores`: the model servers behind the `llm` pool."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from aios.cli import screen
from aios.cli.options import AsJson, DataDir, connect

if TYPE_CHECKING:
    from aios.kernel.values import JsonObject
    from aios.sdk.client import Client

cores = typer.Typer(help="The model servers (cores) behind the `llm` pool: several share its calls.")

Name = Annotated[str, typer.Argument(help="The core's name; `default` is the one of AIOS_ENGINE_URL.")]

_LOOK_SECONDS = 0.2


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(cores, name="cores", rich_help_panel="System")


@cores.command()
def add(
    name: Name,
    url: Annotated[str, typer.Argument(help="http://host:port of its server.")],
    *,
    kind: Annotated[str, typer.Option(help="What it speaks: `tgi`, or `openai` (vLLM, SGLang, Ollama...).")] = "tgi",
    model: Annotated[str, typer.Option(help="The model it serves; default: what it says itself.")] = "",
    alias: Annotated[
        list[str] | None, typer.Option(help="Another name for `chat(model=...)`; may be repeated.")
    ] = None,
    slots: Annotated[int, typer.Option(help="Calls in flight at most.")] = 4,
    key_env: Annotated[str, typer.Option(help="Environment variable, of the workers, with its API key.")] = "",
    context_tokens: Annotated[int, typer.Option(help="Prompt and answer together; 0: as it says itself.")] = 0,
    cost_prompt: Annotated[
        float, typer.Option(help="What 1,000 tokens of a prompt cost, in one currency for all cores.")
    ] = 0.0,
    cost_completion: Annotated[float, typer.Option(help="What 1,000 tokens of an answer cost.")] = 0.0,
    quality: Annotated[
        float, typer.Option(help="How good its answers are, from 0 to 1, for `chat(quality=...)`; 0: not said.")
    ] = 0.0,
    replace: Annotated[bool, typer.Option("--replace", help="Change the core of that name.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Let the `llm` pool use one more core; running workers do so within a second.

    Example: aios cores add gpu-2 http://gpu-2:8080 --slots 64 --alias fast
    """
    with connect(data_dir) as client:
        row = client.add_core(
            name,
            url,
            kind=kind,
            model=model,
            aliases=alias or [],
            slots=slots,
            key_env=key_env,
            context_tokens=context_tokens,
            cost_prompt=cost_prompt,
            cost_completion=cost_completion,
            quality=quality,
            replace=replace,
        )
    _tell(row, f"{name} takes calls", as_json=as_json)


@cores.command("list")
def list_(*, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the cores: what they serve, how much of it is in use, and what their breakers say.

    Example: aios cores list
    """
    with connect(data_dir) as client:
        rows = client.cores()
    if as_json:
        screen.show_json(rows)
        return
    cells = [
        (
            row["name"],
            row["state"],
            row["kind"],
            row["model"] or None,
            ", ".join(row["aliases"]),
            _cost(row),
            f"{row['quality']:g}" if row["quality"] else None,
            f"{'?' if row['used'] is None else row['used']}/{row['slots']}",
            f"{row['breaker']} {row['blocked_seconds']:.0f} s" if row["blocked_seconds"] else row["breaker"],
            row["url"],
        )
        for row in rows
    ]
    screen.show_table(("NAME", "STATE", "KIND", "MODEL", "ALIASES", "COST", "QUALITY", "USED", "BREAKER", "URL"), cells)


@cores.command()
def drain(
    name: Name,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Return when nothing runs there any more.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Let a core end what it has begun and give it nothing new, as before its server is stopped.

    Example: aios cores drain gpu-2 --wait
    """
    with connect(data_dir) as client:
        row = client.drain_core(name)
        if wait:
            row = _drained(client, name)
    _tell(row, f"{name} is empty" if wait else f"{name} takes nothing new", as_json=as_json)


@cores.command()
def activate(name: Name, *, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Let a drained core take calls again.

    Example: aios cores activate gpu-2
    """
    with connect(data_dir) as client:
        row = client.activate_core(name)
    _tell(row, f"{name} takes calls", as_json=as_json)


@cores.command()
def remove(name: Name, *, data_dir: DataDir = None) -> None:
    """Forget a core that was added by command; one of the configuration is again as that says.

    Example: aios cores remove gpu-2
    """
    with connect(data_dir) as client:
        client.remove_core(name)
    screen.say(f"{name} is removed")


@cores.command("test")
def try_(name: Name, *, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Ask a core for a few tokens, past the scheduler, and tell how long it took.

    Example: aios cores test default
    """
    with connect(data_dir) as client:
        found = client.test_core(name)
    if as_json:
        screen.show_json(found)
        return
    text = screen.shortened(str(found["text"]))
    print(f"{found['model']}: {text!r}, {found['tokens']} tokens")
    print(f"first token after {found['first_token_ms']} ms, all after {found['total_ms']} ms")


def _cost(row: "JsonObject") -> str | None:
    asked, answered = row["cost_prompt"], row["cost_completion"]
    return f"{asked:g} / {answered:g}" if asked or answered else None


def _drained(client: "Client", name: str) -> "JsonObject":
    """Wait until nothing runs on a core; workers may still give it a call within their last look at the table."""
    quiet = 0
    while True:
        row = next(row for row in client.cores() if row["name"] == name)
        quiet = quiet + 1 if row["used"] == 0 else 0
        if quiet * _LOOK_SECONDS > 1.5:  # noqa: PLR2004  # a registry is a second old at most
            return row
        time.sleep(_LOOK_SECONDS)


def _tell(row: "JsonObject", text: str, *, as_json: bool) -> None:
    if as_json:
        screen.show_json(row)
    else:
        screen.say(text)
