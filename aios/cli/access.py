"""`aios grant`, `revoke`, `grants`, `group`, `allowed`: who may do what."""

from typing import TYPE_CHECKING, Annotated

import typer

from aios.cli import screen
from aios.cli.options import AgentId, AsJson, DataDir, connect
from aios.cli.prune import age

if TYPE_CHECKING:
    from aios.sdk.client import Client

_PANEL = "Access"

Principal = Annotated[str, typer.Argument(help="`agent:ID`, `user:NAME`, `tenant:NAME` or `group:NAME`.")]
Operation = Annotated[str, typer.Argument(help="`read`, `write`, `delete`, `share`, `call`..., or `*` for all.")]
Resource = Annotated[
    str,
    typer.Argument(
        help="`file:/groups/x/**`, `memory:agent/ID`, `tool:NAME`, `llm:MODEL`, `agent:ID`, `program:NAME`."
    ),
]

Members = Annotated[list[str], typer.Argument(metavar="MEMBER...", help="`agent:ID`, `user:NAME` or `tenant:NAME`.")]
GroupName = Annotated[str, typer.Argument(help="The group's name.")]

group = typer.Typer(
    help="Groups of agents, users and tenants: whoever is in one shares its data.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (grant, revoke, grants, allowed):
        app.command(rich_help_panel=_PANEL)(command)
    app.add_typer(group, name="group", rich_help_panel=_PANEL)


def grant(
    principal: Principal,
    operation: Operation,
    resource: Resource,
    *,
    deny: Annotated[bool, typer.Option("--deny", help="Forbid it: a deny wins over every allow.")] = False,
    expires: Annotated[str | None, typer.Option(metavar="AGE", help="How long it holds: 30m, 12h, 7d.")] = None,
    reason: Annotated[str, typer.Option(help="Kept with it.")] = "",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Allow somebody what is not their own, or forbid it; prints the grant's id.

    Without grants an agent reaches its own memory and files and those of its groups, and the tools of its program.

    Example: aios grant group:editors write "file:/shared/news/**" --expires 7d
    """
    with connect(data_dir) as client:
        until = None if expires is None else age(expires)
        made = client.grant(_whole(client, principal), operation, resource, deny=deny, expires=until, reason=reason)
    if as_json:
        screen.show_json({"id": made})
    else:
        print(made)


def revoke(
    ids: Annotated[list[str], typer.Argument(metavar="GRANT...", help="Ids, from `aios grants`.")],
    *,
    data_dir: DataDir = None,
) -> None:
    """Take grants back; when it returns, nothing more is begun by them.

    Example: aios revoke 0192f0c1-...
    """
    with connect(data_dir) as client:
        for one in ids:
            gone = client.revoke(one)
            screen.say(f"revoked: {gone['principal']} {gone['operation']} {gone['pattern']}")


def grants(
    principal: Annotated[str | None, typer.Argument(help="Of whom; default: of everybody.")] = None,
    *,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List the grants that hold.

    Example: aios grants group:editors
    """
    with connect(data_dir) as client:
        rows = client.grants(principal and _whole(client, principal))
    if as_json:
        screen.show_json(list(rows))
        return
    cells = [
        (
            row["id"],
            row["principal"],
            "allow" if row["allow"] else "deny",
            row["operation"],
            row["pattern"],
            row["expires_at"] or "",
            row["reason"],
        )
        for row in rows
    ]
    screen.show_table(("ID", "PRINCIPAL", "EFFECT", "OPERATION", "RESOURCE", "EXPIRES", "REASON"), cells)


def allowed(
    agent: AgentId, operation: Operation, resource: Resource, *, as_json: AsJson = False, data_dir: DataDir = None
) -> None:
    """Say whether an agent may do something, and by which rule; the exit code is 0 if it may, else 1.

    Example: aios allowed last read file:/shared/news/today.md
    """
    with connect(data_dir) as client:
        verdict = client.allowed(client.find(agent), operation, resource)
    if as_json:
        screen.show_json(verdict._asdict())
    else:
        print(f"{'yes' if verdict.allowed else 'no'}: {verdict.why}")
    if not verdict.allowed:
        raise typer.Exit(1)


@group.command("add")
def group_add(name: GroupName, members: Members, *, data_dir: DataDir = None) -> None:
    """Add agents, users or tenants to a group.

    Example: aios group add editors user:alice agent:0192f0c1-...
    """
    with connect(data_dir) as client:
        for member in members:
            new = client.join_group(name, _whole(client, member))
            screen.say(f"{member} is in group {name}" + ("" if new else " already"))


@group.command("remove")
def group_remove(name: GroupName, members: Members, *, data_dir: DataDir = None) -> None:
    """Remove members from a group.

    Example: aios group remove editors user:alice
    """
    with connect(data_dir) as client:
        for member in members:
            client.leave_group(name, _whole(client, member))
            screen.say(f"{member} is in group {name} no longer")


@group.command("list")
def group_list(*, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the members of all groups; agents that were submitted with a group are shown by `aios show`.

    Example: aios group list
    """
    with connect(data_dir) as client:
        rows = client.group_members()
    if as_json:
        screen.show_json(list(rows))
    else:
        screen.show_table(("GROUP", "MEMBER", "ADDED BY"), [(r["name"], r["member"], r["added_by"]) for r in rows])


def _whole(client: "Client", principal: str) -> str:
    """A principal with an agent's whole id, where a part of it or `last` was given as to all commands."""
    kind, _, name = principal.partition(":")
    return f"agent:{client.find(name)}" if kind == "agent" else principal
