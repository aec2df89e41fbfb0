"""`aios sched`: which of the waiting syscalls goes next, and how many run at once."""

from typing import TYPE_CHECKING, Annotated

import typer

from aios.cli import screen
from aios.cli.options import AsJson, DataDir, connect

if TYPE_CHECKING:
    from aios.kernel.values import JsonObject

sched = typer.Typer(
    help="The scheduler: policy, limits and shares. Kept in Postgres: all workers follow within a second."
)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(sched, name="sched", rich_help_panel="System")


@sched.command()
def show(*, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show the policy, and for each key what waits, what runs and what it is limited to.

    A key is a pool (`llm`), something limited in it (`tool:browser`), or a tenant's part of either (`llm@acme`).

    Example: aios sched show
    """
    with connect(data_dir) as client:
        found = client.scheduling()
    if as_json:
        screen.show_json(found)
        return
    given = " ".join(f"{name}={value:g}" for name, value in found["parameters"].items())
    print(f"policy {found['policy']} {given}".rstrip() + ("" if found["chosen"] else " (as configured)"))
    for tenant, weight in sorted(found["weights"].items()):
        print(f"weight {tenant} {weight:g}")
    screen.show_table(
        ("KEY", "WAITING", "GRANTED", "SLOTS", "REQUESTS/MIN", "TOKENS/MIN", "PARKED"),
        [_cells(row) for row in found["keys"]],
    )


@sched.command("set")
def set_(
    policy: Annotated[
        str,
        typer.Argument(
            help="`las`: who has had least goes first; `fair`: tenants by weight; `priority`; `rr`: in turns; `fifo`."
        ),
    ],
    *,
    ageing: Annotated[float | None, typer.Option(help="las: service that a second of waiting makes up for.")] = None,
    cap: Annotated[float | None, typer.Option(help="las: more seconds of service than this count as this.")] = None,
    half_life: Annotated[float | None, typer.Option(help="las: seconds after which service counts half.")] = None,
    nice: Annotated[
        float | None, typer.Option(help="las: seconds of service that a step of priority stands for.")
    ] = None,
    step: Annotated[float | None, typer.Option(help="priority: seconds that make up for a step of priority.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Choose the policy. What waits is put into its order at once; parameters not given are as configured.

    Example: aios sched set las --ageing 0.2
    """
    given = {
        "ageing": ageing,
        "cap_seconds": cap,
        "half_life_seconds": half_life,
        "nice_seconds": nice,
        "step_seconds": step,
    }
    with connect(data_dir) as client:
        client.set_policy(policy, **{name: value for name, value in given.items() if value is not None})
    screen.say(f"ordered by {policy} from now on")


@sched.command()
def reset(*, data_dir: DataDir = None) -> None:
    """Go back to the configured policy (`scheduling.policy`).

    Example: aios sched reset
    """
    with connect(data_dir) as client:
        client.reset_policy()
        name = client.settings.scheduling.policy
    screen.say(f"ordered by {name}, as configured")


@sched.command()
def weight(
    tenant: Annotated[str, typer.Argument(help="Whose weight.")],
    number: Annotated[float, typer.Argument(metavar="WEIGHT", help="Everybody's is 1.")],
    *,
    data_dir: DataDir = None,
) -> None:
    """Give a tenant a weight under `fair`: 3 has three times the service of 1.

    Example: aios sched weight acme 3
    """
    with connect(data_dir) as client:
        client.set_weight(tenant, number)
    screen.say(f"weight of {tenant}: {number:g}")


@sched.command()
def limit(
    key: Annotated[str, typer.Argument(help="`llm`, `tool:browser`, `llm@acme`, `tool:browser@acme`...")],
    *,
    slots: Annotated[int | None, typer.Option(help="Calls at once.")] = None,
    requests: Annotated[int | None, typer.Option(help="Calls a minute.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Tokens a minute, prompts and answers together.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Limit a key, instead of what it was limited to before; without options: no longer at all.

    What is over a limit waits, and delays nothing else. One call that asks for more tokens than its key has in a minute fails.

    Example: aios sched limit tool:browser --slots 2
    """
    with connect(data_dir) as client:
        client.set_limit(key, slots=slots, requests=requests, tokens=tokens)
    given = {"slots": slots, "requests a minute": requests, "tokens a minute": tokens}
    told = ", ".join(f"{value} {name}" for name, value in given.items() if value is not None)
    screen.say(f"{key}: {told or 'no limits of its own'}")


def _cells(row: "JsonObject") -> tuple[object, ...]:
    rate = row["rate"] or {}
    parked = f"{row['parked_seconds']:.1f} s" if row["parked_seconds"] else None
    numbers = (row["waiting"], row["granted"], row["slots"], rate.get("requests"), rate.get("tokens"))
    return (row["key"], *numbers, parked)
