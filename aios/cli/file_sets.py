"""`aios fs group | join`: files put together by what they have in common, and pairs that belong together."""

from typing import TYPE_CHECKING, Annotated

import typer

from aios.cli import screen
from aios.cli.file_words import instant, pattern, show
from aios.cli.options import AsJson, DataDir, connect
from aios.errors import InvalidArgument, NotFound, PathDenied

if TYPE_CHECKING:
    from aios.kernel.values import Json
    from aios.sdk.files import Files


def add_to(group_of_commands: typer.Typer) -> None:
    """Register the commands."""
    for command in (group, join):
        group_of_commands.command()(command)


def group(
    key: Annotated[str, typer.Argument(help="`type`, `folder`, `agent` (who wrote it), `day` or `label`.")],
    *,
    where: Annotated[str, typer.Option("--in", metavar="PATTERN", help="A folder or a glob pattern.")] = "/shared/**",
    labels: Annotated[
        list[str] | None, typer.Option("--label", help="For `label`: one to choose from; give it twice or more.")
    ] = None,
    query: Annotated[str, typer.Option(help="Only what a search finds by it.")] = "",
    by: Annotated[str, typer.Option(help="How that search looks: `words`, `meaning` or `both`.")] = "words",
    k: Annotated[int, typer.Option("-k", "--limit", min=1, max=100, help="So many files it finds at most.")] = 100,
    members: Annotated[int, typer.Option(min=0, max=1000, help="So many files of each group are told.")] = 20,
    media_type: Annotated[str | None, typer.Option("--type", help="Such as text/markdown.")] = None,
    after: Annotated[str | None, typer.Option(metavar="TIME", help="Changed then or later.")] = None,
    before: Annotated[str | None, typer.Option(metavar="TIME", help="Changed earlier.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Put files together by what they have in common, and count them; by labels each goes to the one that it means most like.

    Example: aios fs group label --label invoice --label letter --in /shared/inbox
    """
    found = {"query": query, "by": by, "k": k, "media_type": media_type}
    times = {"after": instant(after), "before": instant(before)}
    args = {"key": key, "labels": labels or [], "members": members, **found, **times}
    with connect(data_dir) as client:
        told = client.files.perform("group", pattern=pattern(where, recursive=True), **args)
    rows = [
        (one["key"] or "(none)", one["count"], one["size"], screen.shortened(_names(one["members"])))
        for one in told["groups"]
    ]
    show(told, (key.upper(), "FILES", "BYTES", "SUCH AS"), rows, as_json=as_json)
    _say_new(told, matters=bool(query or labels), as_json=as_json)


def join(
    left: Annotated[str, typer.Argument(help="A folder, a file or a glob pattern.")],
    right: Annotated[str, typer.Argument(help="Another, or the same.")],
    *,
    on: Annotated[
        str, typer.Option(help="The same `name`, the same `stem` (without its suffix), or `meaning`.")
    ] = "stem",
    min_score: Annotated[
        float | None, typer.Option(help="For `meaning`: the lowest similarity, 0 to 1.  [default: 0.4]")
    ] = None,
    left_query: Annotated[str, typer.Option(help="On the left only the files that fit these words best.")] = "",
    right_query: Annotated[str, typer.Option(help="The same on the right.")] = "",
    limit: Annotated[int, typer.Option("-k", "--limit", min=1, max=1000, help="So many pairs at most.")] = 100,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Find the pairs of files of two sets that belong together: by their names, or because they mean alike.

    Example: aios fs join /shared/orders "/shared/invoices/**/*.pdf" --on meaning --min-score 0.7
    """
    args = {"on": on, "min_score": min_score, "left_query": left_query, "right_query": right_query, "limit": limit}
    with connect(data_dir) as client:
        sides = {"left": _side(client.files, left), "right": _side(client.files, right)}
        told = client.files.perform("join", **sides, **args)
    rows = [(pair["left"]["path"], pair["right"]["path"], pair["score"]) for pair in told["pairs"]]
    show(told, ("LEFT", "RIGHT", "SCORE"), rows, as_json=as_json)
    if told["more"] and not as_json:
        screen.say(
            f"there are more than {limit}; `--limit` shows them, narrower patterns or a higher score leave them out"
        )
    _say_new(told, matters=on == "meaning" or bool(left_query or right_query), as_json=as_json)


def _side(files: "Files", given: str) -> str:
    """A file stands for itself, a folder for all that is in it."""
    try:
        is_file = not files.perform("stat", path=given)["folder"]
    except (InvalidArgument, NotFound, PathDenied):  # a pattern, a root such as /shared, or `@last`
        is_file = False
    return given if is_file else pattern(given, recursive=True)


def _names(members: "Json") -> str:
    return ", ".join(one["path"].rpartition("/")[2] for one in members)


def _say_new(told: "Json", *, matters: bool, as_json: bool) -> None:
    if told["unindexed"] and matters and not as_json:
        screen.say(f"{told['unindexed']} files there are too new to be known by what is in them yet")
