"""What a request asks of the access rules: its operations and the resources that they touch. Pure.

Who adds an operation to a resource says here whether it reads or deletes; one that is not named counts as the strongest,
so that what is forgotten is refused to strangers instead of open to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aios.kernel import paths
from aios.kernel.access import Ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from aios.kernel.request import Request
    from aios.kernel.values import Json, JsonObject

MEMORY: Final = {
    **dict.fromkeys(("get", "search", "read", "list", "stat", "related", "history"), "read"),
    **dict.fromkeys(
        ("add", "update", "alloc", "write", "remember", "note", "page_out", "link", "pin", "unpin"), "write"
    ),
}
STORAGE: Final = {
    **dict.fromkeys(("read", "list", "stat", "history", "diff", "search", "group", "join"), "read"),
    **dict.fromkeys(("summarise", "keep_summary", "copy"), "read"),
    **dict.fromkeys(("create", "write", "append", "mkdir", "rollback"), "write"),
    **dict.fromkeys(("share", "unshare", "links"), "share"),
}
_STRONGEST: Final = "delete"
_WHERE: Final = ("path", "source", "pattern", "left", "right", "folder", "under")
_WHERETO: Final = ("target", "to", "destination")
_GLOB: Final = frozenset("*?[{")
_LISTS: Final = frozenset({"list", "search", "group", "join"})
_TREES: Final = frozenset({"move", "copy"})  # of a folder: with all that is in it


def asks(request: Request[object], agent: UUID) -> tuple[Ask, ...]:
    """What must be allowed before a request is planned; empty for what needs nobody's leave.

    Raises:
        InvalidArgument: a path in it is none.
        PathDenied: a path in it leads nowhere.
    """
    args = request.args
    match request.resource:
        case "memory":
            return tuple(_memory(request.op, args, agent))
        case "storage":
            return tuple(_storage(request.op, args, agent))
        case "tool":
            return (Ask("call", f"tool:{args.get('tool')}"),)
        case "llm":
            return tuple(_llm(request.op, args, agent))
        case "agent":
            return tuple(_agent(request.op, args))
        case _:
            return ()


def file_of(path: str, agent: UUID) -> str:
    """A path as a resource."""
    return "file:" + paths.canonical(path, home=paths.folder(agent))


def _memory(op: str, args: JsonObject, agent: UUID) -> Iterator[Ask]:
    operation = MEMORY.get(op, _STRONGEST)
    for namespace in _namespaces(args, agent):
        yield Ask(operation, f"memory:{namespace}")
    if op == "note":  # a model is asked about it
        yield Ask("call", f"llm:{args.get('model') or 'default'}")


def _namespaces(args: Json, agent: UUID) -> list[str]:
    if not isinstance(args, dict):
        return [f"agent/{agent}"]
    given = args.get("namespaces") or [args.get("namespace")]
    return [str(name) if name else f"agent/{agent}" for name in given]


def _storage(op: str, args: JsonObject, agent: UUID) -> Iterator[Ask]:
    operation = STORAGE.get(op, _STRONGEST)
    named = [args[name] for name in _WHERE if isinstance(args.get(name), str)]
    whole = op in _TREES or bool(args.get("everything"))
    for path in named or ([""] if op in _LISTS else []):
        if op in _LISTS:
            yield Ask(operation, _subtree(path, agent), whole=True)
        else:
            yield Ask(operation, file_of(path, agent), whole=whole)
    for name in _WHERETO:
        if isinstance(args.get(name), str):
            yield Ask("write", file_of(args[name], agent), whole=whole)


def _subtree(pattern: str, agent: UUID) -> str:
    """The folder that a glob pattern stays below; names that a path must not have are refused where it is read."""
    names = (pattern if pattern.startswith("/") else paths.folder(agent) + pattern).split("/")
    fixed: list[str] = []
    for name in names:
        if _GLOB & set(name) or name in {".", ".."}:
            break
        fixed.append(name)
    return "file:" + ("/".join(fixed).rstrip("/") or "/")


def _llm(op: str, args: JsonObject, agent: UUID) -> Iterator[Ask]:
    yield Ask("call", f"llm:{args.get('model') or 'default'}")
    for step, operation in (("recall", "read"), ("remember", "write")):
        if args.get(step):
            for namespace in _namespaces(args[step], agent):
                yield Ask(operation, f"memory:{namespace}")
    if op == "act":
        for tool in args.get("tools", ()):
            yield Ask("call", f"tool:{tool}")


def _agent(op: str, args: JsonObject) -> Iterator[Ask]:
    if op == "spawn":
        yield Ask("spawn", f"program:{args.get('program')}")
    elif op in {"wait", "signal"}:
        yield Ask(op, f"agent:{args.get('agent')}")
