"""`aios fs search | share | unshare | links | open | reindex`: who finds a file, and who else may read it."""

from typing import Annotated

import typer

from aios.cli import screen
from aios.cli.file_words import FilePath, Version, done, instant, pattern, show, write_out
from aios.cli.options import AsJson, DataDir, connect
from aios.cli.prune import age


def add_to(group: typer.Typer) -> None:
    """Register the commands."""
    for command in (search, share, unshare, links, reindex):
        group.command()(command)
    group.command("open")(open_link)


def search(
    query: Annotated[str, typer.Argument(help="Words, a question, a description.")],
    *,
    where: Annotated[str, typer.Option("--in", metavar="PATTERN", help="A folder or a glob pattern.")] = "/shared/**",
    by: Annotated[str, typer.Option(help="`words`, `meaning` or `both`.")] = "both",
    k: Annotated[int, typer.Option("-k", "--limit", min=1, max=100, help="So many files at most.")] = 10,
    media_type: Annotated[str | None, typer.Option("--type", help="Such as text/markdown.")] = None,
    after: Annotated[str | None, typer.Option(metavar="TIME", help="Changed then or later.")] = None,
    before: Annotated[str | None, typer.Option(metavar="TIME", help="Changed earlier.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Find files by their words, by their meaning, or by both; what was written a moment ago may not be known yet.

    Example: aios fs search "what did we pay for the printer" --in /shared/invoices
    """
    args = {"by": by, "k": k, "media_type": media_type, "after": instant(after), "before": instant(before)}
    with connect(data_dir) as client:
        told = client.files.perform("search", query=query, pattern=pattern(where, recursive=True), **args)
    rows = [(hit["path"], hit["score"], hit["by"], screen.shortened(hit["content"])) for hit in told["hits"]]
    show(told, ("PATH", "SCORE", "FOUND BY", "TEXT"), rows, as_json=as_json)
    if told["unindexed"] and not as_json:
        screen.say(f"{told['unindexed']} files there are too new to be found yet")


def share(
    path: FilePath,
    *,
    lasts: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 90s, 30m, 12h, 7d, 2w.")] = "1d",
    version: Version = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a link by which anybody who has it reads a file, for a time.

    Example: aios fs share /shared/report.md --for 7d
    """
    seconds = age(lasts).total_seconds()
    with connect(data_dir) as client:
        told = client.files.perform("share", path=path, seconds=seconds, version=version)
    if as_json:
        screen.show_json(told)
    else:
        print(told["link"])
        screen.say(f"until {told['expires_at']}; `aios fs open LINK` reads it, `aios fs unshare {path} LINK` ends it")


def unshare(
    path: FilePath,
    link: Annotated[str, typer.Argument(help="The link, or its id.")],
    *,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Let a link open nothing any more.

    Example: aios fs unshare /shared/report.md LINK
    """
    with connect(data_dir) as client:
        told = client.files.perform("unshare", path=path, link=link)
    done(told, "the link to {path} opens nothing any more", as_json=as_json)


def links(path: FilePath, *, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the links to a file.

    Example: aios fs links /shared/report.md
    """
    with connect(data_dir) as client:
        found = client.files.perform("links", path=path)
    rows = [(one["id"], one["state"], one["version"] or "newest", one["expires_at"]) for one in found]
    show(found, ("ID", "STATE", "VERSION", "EXPIRES"), rows, as_json=as_json)


def open_link(link: Annotated[str, typer.Argument(help="The link.")], *, data_dir: DataDir = None) -> None:
    """Print the file that a share link opens.

    Example: aios fs open LINK
    """
    with connect(data_dir) as client:
        data = client.files.open_link(link).data
    write_out(data)


def reindex(*, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Have the workers embed again what another embedder made, as after a change of the setting `embedder`.

    Example: aios fs reindex
    """
    with connect(data_dir) as client:
        told = {"files": client.files.reindex()}
    done(told, "{files} files will be embedded again by the workers", as_json=as_json)
