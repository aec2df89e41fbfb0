"""`aios tools`: what agents can call, and what MCP servers offer; `aios mcp serve`: the same for other programs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aios.cli import screen
from aios.cli.options import AsJson, DataDir, connect, settings
from aios.errors import InvalidArgument, Misconfigured

if TYPE_CHECKING:
    from aios.bootstrap.parts import Parts
    from aios.kernel.values import JsonObject
    from aios.tools.mcp.pins import Pin
    from aios.tools.mcp.servers import McpServers
    from aios.tools.registry import Loaded, Registry

tools = typer.Typer(
    help="The tools that agents can call, and the MCP servers behind some of them.", no_args_is_help=True
)
mcp = typer.Typer(help="AIOS as an MCP server, for other programs.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The tool's name: see `aios tools list`.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(tools, name="tools", rich_help_panel="Agents")
    app.add_typer(mcp, name="mcp", rich_help_panel="System")


@tools.command("list")
def list_(*, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the tools with what repeating them does, their limits, and why one is off.

    Those of MCP servers are listed as far as their servers have been met: `aios tools mcp NAME` meets one.

    Example: aios tools list
    """
    parts = _parts(data_dir)
    registry = parts.tools
    rows = [_row(loaded, registry) for loaded in registry.listing()]
    rows += [_pin_row(pin, registry) for pin in (parts.mcp.pinned() if parts.mcp else [])]
    rows += [
        {"name": "", "effect": "", "limit": None, "source": e.source, "state": "wrong", "summary": e.text}
        for e in registry.errors
    ]
    parts.close()
    if as_json:
        screen.show_json(rows)
        return
    cells = [
        (row["name"], row["effect"], row["limit"] or "", row["source"], row["state"], _first_line(row["summary"]))
        for row in rows
    ]
    screen.show_table(("TOOL", "EFFECT", "AT ONCE", "SOURCE", "STATE", "SUMMARY"), cells)


@tools.command()
def show(name: Name, *, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show what a model is told of a tool; of an MCP server's, what it offers now beside what was accepted.

    Example: aios tools show calculator
    """
    parts = _parts(data_dir)
    told = _pinned(parts, name) or _told(parts.tools, name)
    parts.close()
    if as_json:
        screen.show_json(told)
    else:
        for key, value in told.items():
            print(f"{key}: {value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)}")


@tools.command()
def call(
    name: Name,
    arguments: Annotated[str, typer.Argument(metavar="JSON", help="Its arguments, a JSON object.")] = "{}",
    *,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the result.")] = 60.0,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Call a tool as an agent does, through the workers, and print its result.

    Example: aios tools call calculator '{"expression": "6 * 7"}'
    """
    task = {"do": "tool.call", "with": {"tool": name, "arguments": _object(arguments)}}
    with connect(data_dir) as client:
        agent = client.submit("oneshot", task)
        result = client.result(agent, timeout=timeout)
    if not result.ended:
        raise Misconfigured(f"agent {agent} is still {result.state.value}", f"`aios show {agent}` shows where it is")
    value = result.unwrap()
    if as_json or not isinstance(value, str):
        screen.show_json(value)
    else:
        print(value)


@tools.command()
def accept(
    name: Annotated[str, typer.Argument(help="An MCP server, or one of its tools as SERVER.TOOL.")],
    *,
    digest: Annotated[
        str | None, typer.Option(metavar="HEX", help="Only what `aios tools show` showed: its digest. For one tool.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Accept what an MCP server offers now, after `aios tools show` has told what changed.

    Example: aios tools accept weather.forecast --digest 5d41402abc4b2a76b9719d911017c592ae75f1b2
    """
    server, _, tool = name.partition(".")
    if digest and not tool:
        raise InvalidArgument("digest", digest, "it is one tool's: give SERVER.TOOL")
    parts = _parts(data_dir)
    changed = _servers(parts, server).accept(server, tool or None, digest=digest)
    parts.close()
    if as_json:
        screen.show_json({"accepted": changed})
    else:
        print(f"{changed} changed" if changed else "nothing has changed")


@tools.command("mcp")
def mcp_(
    server: Annotated[str, typer.Argument(help="The server's name; none: list all that are configured.")] = "",
    *,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Meet an MCP server: start or reach it now, and list what it offers. At the first time that is accepted.

    Example: aios tools mcp weather
    """
    parts = _parts(data_dir)
    every = parts.mcp.pinned() if parts.mcp and not server else []
    pins = _servers(parts, server).meet(server) if server else every
    known = {pin.server for pin in pins}
    rows = [{"server": p.server, "tool": p.tool, "state": p.state} for p in pins]
    if not server and parts.mcp:
        rows += [{"server": n, "tool": "", "state": "never met"} for n in parts.mcp.names() if n not in known]
    parts.close()
    if as_json:
        screen.show_json(rows)
    else:
        screen.show_table(("SERVER", "TOOL", "STATE"), [tuple(row.values()) for row in rows])


@mcp.command()
def serve(
    *,
    group: Annotated[str, typer.Option(help="The group whose memory and files clients share.")] = "mcp",
    tool: Annotated[list[str] | None, typer.Option(help="Offer this tool alone; may be repeated.")] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds after which a call is cancelled.")] = 300.0,
    data_dir: DataDir = None,
) -> None:
    """Serve the tools, a memory and files by MCP on standard input and output; other programs start it.

    A client is told the command and its arguments.

    Example: aios mcp serve --tool calculator --tool clock
    """
    try:
        import anyio

        from aios.mcp.orders import Orders
        from aios.mcp.server import Bridge
        from aios.mcp.server import serve as serve_stdio
    except ImportError as error:
        raise Misconfigured(f"the MCP SDK is not installed ({error.name})", "pip install 'aios-celery[mcp]'") from error
    from aios.tools.sources import load

    registry = load(settings(data_dir))
    # Each call is an agent of its own, whose files and memory nobody sees again: clients get a group's instead.
    every = [loaded.tool.name for loaded in registry.listing()]
    names = tool or [name for name in every if not name.startswith(("files.", "memory."))]
    with connect(data_dir) as client:
        orders = Orders([registry.spec(name) for name in names], group=group)
        anyio.run(serve_stdio, Bridge(client, orders, group=group, seconds=timeout))


def _parts(data_dir: Path | None) -> "Parts":
    from aios.bootstrap.parts import Parts

    return Parts(settings(data_dir))


def _servers(parts: "Parts", server: str) -> "McpServers":
    names = parts.mcp.names() if parts.mcp else []
    if parts.mcp is None or server not in names:
        known = (
            f"one of {', '.join(names)}" if names else "a server of [[tools.mcp]] in the configuration; there is none"
        )
        raise InvalidArgument("server", server, f"give {known}")
    return parts.mcp


def _row(loaded: "Loaded", registry: "Registry") -> "JsonObject":
    tool = loaded.tool
    why = tool.why_off() if tool.why_off else ""
    return {
        "name": tool.name,
        "effect": tool.effect.value,
        "limit": registry.infos()[tool.name].limit,
        "source": loaded.source,
        "state": f"off: {why}" if why else "ok",
        "summary": tool.spec.description,
    }


def _pin_row(pin: "Pin", registry: "Registry") -> "JsonObject":
    name = f"{pin.server}.{pin.tool}"
    info = registry.infos().get(name)
    described = pin.accepted or pin.offered
    return {
        "name": name,
        "effect": info.effect.value if info else "",
        "limit": info.limit if info else None,
        "source": "mcp",
        "state": pin.state,
        "summary": described.description if described else "",
    }


def _pinned(parts: "Parts", name: str) -> "JsonObject | None":
    server, _, tool = name.partition(".")
    if parts.mcp is None or server not in parts.mcp.names():
        return None
    pin = next((pin for pin in parts.mcp.pinned(server) if pin.tool == tool), None)
    if pin is None:
        raise InvalidArgument("tool", name, f"`aios tools mcp {server}` lists what the server offers")
    accepted = pin.accepted._asdict() if pin.accepted else None
    told: JsonObject = {"name": name, "state": pin.state, "accepted": accepted}
    if pin.state == "accepted":
        return told
    if pin.offered is None:
        return {**told, "offered": None}
    return {**told, "offered": pin.offered._asdict(), "digest": pin.offered.digest.hex()}


def _told(registry: "Registry", name: str) -> "JsonObject":
    spec = registry.spec(name)
    info = registry.infos()[name]
    return {
        **spec.to_json(),
        "effect": info.effect.value,
        "seconds": info.seconds,
        "limit": info.limit,
        "examples": [{"request": e.request, "arguments": e.arguments} for e in spec.examples],
    }


def _object(text: str) -> "JsonObject":
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidArgument(
            "JSON", text, f'give an object, such as \'{{"expression": "6 * 7"}}\' ({error})'
        ) from error
    if not isinstance(value, dict):
        raise InvalidArgument("JSON", text, "give an object: the arguments by name")
    return value


def _first_line(text: str) -> str:
    return screen.shortened((text.splitlines() or [""])[0], 80)
