"""`aios mem`: what agents remember, and the embedder that it is found by."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aios.cli import screen
from aios.cli.options import AsJson, DataDir, settings
from aios.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aios.memory.reindex import Progress
    from aios.sdk.memory import Memories

NoteId = Annotated[str, typer.Argument(help="A note's id, as `aios mem search` tells it.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Only notes with this tag; may be given several times.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    group = typer.Typer(
        help="Notes of agents, groups and tenants: search, add, show; vectors of a new embedder; how much there is.",
        no_args_is_help=True,
    )
    for command in (search, add, show, reindex, stat):
        group.command()(command)
    app.add_typer(group, name="mem", rich_help_panel="Data")


def search(
    query: Annotated[str, typer.Argument(help="What to look for, in words.")],
    *,
    namespaces: Annotated[
        list[str] | None,
        typer.Option("--in", metavar="NAMESPACE", help="agent/ID, group/NAME or tenant/NAME; default: everywhere."),
    ] = None,
    k: Annotated[int, typer.Option("-k", "--limit", help="So many notes at most.")] = 5,
    tags: Tags = None,
    category: Annotated[str, typer.Option(help="Only notes of this category.")] = "",
    after: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only notes made then or later: 2026-01-31.")
    ] = None,
    before: Annotated[str | None, typer.Option(metavar="TIME", help="Only notes made earlier.")] = None,
    threshold: Annotated[
        float, typer.Option(min=-1, max=1, help="Only notes of at least this cosine similarity.")
    ] = -1.0,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Find the notes nearest in meaning and words. It counts as no read, and asks no access rule.

    Example: aios mem search "where does Karin live" --in group/family --tag people
    """
    with _memories(data_dir) as memories:
        found = memories.search(
            query,
            k=k,
            namespaces=namespaces or None,
            tags=tags or [],
            category=category,
            after=_instant(after),
            before=_instant(before),
            threshold=threshold,
        )
    if as_json:
        screen.show_json(found)
        return
    rows = [
        (
            note["id"],
            f"{note['score']:.3f}",
            "" if note["similarity"] is None else f"{note['similarity']:.2f}",
            note["namespace"],
            " ".join(note["tags"]),
            screen.shortened(note["content"]),
        )
        for note in found
    ]
    screen.show_table(("ID", "SCORE", "NEAR", "NAMESPACE", "TAGS", "CONTENT"), rows)


def add(
    content: Annotated[str, typer.Argument(help="The text, or - to read it from standard input.")],
    *,
    namespace: Annotated[
        str, typer.Option("--in", metavar="NAMESPACE", help="agent/ID, group/NAME or tenant/NAME.")
    ] = "tenant/default",
    tags: Annotated[list[str] | None, typer.Option("--tag", help="May be given several times.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Store a note.

    Example: aios mem add "The office is closed on Fridays." --in group/staff --tag office
    """
    text = sys.stdin.read() if content == "-" else content
    with _memories(data_dir) as memories:
        note = memories.add(text, namespace=namespace, tags=tags or [])
    screen.show_json({"id": note}) if as_json else print(note)


def show(note: NoteId, *, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show a note: all of it, its links, and what it was before each change.

    Example: aios mem show 01a201d1-a9c4-7374-b185-c6d1d5dce053
    """
    with _memories(data_dir) as memories:
        found = memories.show(note)
    if as_json:
        screen.show_json(found)
        return
    history = found.pop("history")
    print(screen.as_text(found["content"]))
    rows = [(name, _told(value)) for name, value in found.items() if name != "content" and value not in ("", [], None)]
    screen.show_table(("FIELD", "VALUE"), rows)
    if history:
        past = [
            (was["version"], was["changed_at"], was["reason"], screen.shortened(was["content"], 40)) for was in history
        ]
        screen.show_table(("VERSION", "UNTIL", "WHY IT CHANGED", "CONTENT"), past)


def reindex(*, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Give every note a vector of the configured embedder. Agents go on; a stopped run is taken up where it was.

    Example: AIOS_EMBEDDER=openai aios mem reindex
    """
    with _memories(data_dir) as memories:
        last = _watched(memories.reindex())
        left = memories.stat()["pending"]
    told = {"done": last.done if last else 0, "pending": left}
    if as_json:
        screen.show_json(told)
    else:
        screen.say(f"{told['done']} notes embedded anew, {left} left")


def stat(*, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Tell how many notes, links and blocks there are, and how many notes wait for the configured embedder's vectors.

    Example: aios mem stat --json
    """
    with _memories(data_dir) as memories:
        found = memories.stat()
    if as_json:
        screen.show_json(found)
        return
    blocks = found["blocks"]
    rows: list[tuple[object, object, object]] = [
        (f"notes of a {kind}", counted["notes"], f"{counted['namespaces']} namespaces")
        for kind, counted in found["notes"].items()
    ]
    rows.append(("links", found["links"], ""))
    rows.append(("blocks", blocks["blocks"], f"{blocks['bytes']} bytes in {blocks['namespaces']} namespaces"))
    rows += [
        (f"vectors of {row['embedder']}", row["notes"], f"{row['dimensions'] or 'no'} dimensions")
        for row in found["embedders"]
    ]
    if found["pending"]:
        rows.append((f"to be embedded by {found['embedder']}", found["pending"], "aios mem reindex"))
    screen.show_table(("WHAT", "COUNT", ""), rows)


def _memories(data_dir: Path | None) -> "Memories":
    from aios.sdk.memory import Memories

    return Memories(settings(data_dir))


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidArgument("time", text, "give a date such as 2026-01-31, or 2026-01-31T12:00:00+01:00") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _watched(steps: "Iterable[Progress]") -> "Progress | None":
    """Show how far it is: a bar on a terminal, a line now and then elsewhere."""
    last = None
    if not sys.stderr.isatty():
        for last in steps:
            if last.done and (last.done == last.of or last.done % 1024 == 0):
                screen.say(f"{last.done} of {last.of} notes")
        return last
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task("embedding notes", total=None)
        for last in steps:
            bar.update(task, completed=last.done, total=last.of)
    return last


def _told(value: object) -> object:
    return (
        ", ".join(map(str, value))
        if isinstance(value, list)
        else value
        if isinstance(value, str)
        else screen.as_text(value)
    )
