"""What the MCP server offers, and the order for the program `oneshot` that each call becomes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from aios.errors import UnknownTool, did_you_mean
from aios.kernel.spoken import spoken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aios.kernel.chat import ToolSpec
    from aios.kernel.values import JsonObject

_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 1, "maximum": 100}


class Offered(NamedTuple):
    """One thing that a client may call."""

    name: str
    description: str
    parameters: JsonObject


@dataclass(frozen=True)
class _Own:
    """A service of AIOS itself: how it is described, and what is ordered."""

    do: str
    description: str
    properties: JsonObject
    required: tuple[str, ...]
    order: Callable[[JsonObject, str], JsonObject]


def _in_group(given: JsonObject, group: str) -> JsonObject:
    return {**given, "namespace": f"group/{group}"}


def _of_group(given: JsonObject, group: str) -> JsonObject:
    return {key: f"/groups/{group}/{value}" if key in {"path", "pattern"} else value for key, value in given.items()}


_OWN: Final = {
    "memory_add": _Own(
        "memory.add",
        "Remember a text. It stays until it is removed, and is found by its meaning.",
        {"content": _TEXT, "tags": {"type": "array", "items": _TEXT}},
        ("content",),
        _in_group,
    ),
    "memory_search": _Own(
        "memory.search",
        "Find what was remembered, by meaning and words, best first.",
        {"query": _TEXT, "k": _COUNT},
        ("query",),
        _in_group,
    ),
    "storage_write": _Own(
        "storage.write",
        "Write a whole text file as a new version; gives the version's number.",
        {"path": _TEXT, "content": _TEXT},
        ("path", "content"),
        _of_group,
    ),
    "storage_read": _Own(
        "storage.read",
        "Read a text file, its newest version unless another is named.",
        {"path": _TEXT, "version": {"type": "integer", "minimum": 1}},
        ("path",),
        _of_group,
    ),
    "storage_list": _Own(
        "storage.list",
        "List files whose path matches a glob pattern, such as `notes/**`.",
        {"pattern": _TEXT},
        (),
        lambda given, group: _of_group({"pattern": "**", **given}, group),
    ),
}


class Orders:
    """What a client may call, and what each call orders.

    Tools are offered under names without dots, as most clients want them; the way back is a table.
    """

    def __init__(self, tools: Iterable[ToolSpec], *, group: str) -> None:
        """Offer these tools beside memory and files.

        Args:
            tools: those that clients may call.
            group: whose memory and files they share.
        """
        self._group = group
        self._tools = {tool.name: tool for tool in tools}
        labels = {f"tool.{name}" if name in _OWN else name: name for name in self._tools}
        said = spoken([*_OWN, *labels])
        self._meant = {said[label]: name for label, name in labels.items()}

    def offered(self) -> list[Offered]:
        """All that may be called."""
        own = [
            Offered(name, one.description, _schema(one.properties, one.required)) for name, one in sorted(_OWN.items())
        ]
        tools = [(name, self._tools[meant]) for name, meant in sorted(self._meant.items())]
        return own + [Offered(name, tool.description, tool.parameters) for name, tool in tools]

    def order(self, name: str, given: JsonObject) -> JsonObject:
        """The task for `oneshot`.

        Raises:
            UnknownTool: nothing of that name is offered.
        """
        if name in _OWN:
            own = _OWN[name]
            return {"do": own.do, "with": own.order(given, self._group)}
        if name not in self._meant:
            raise UnknownTool(name, did_you_mean(name, [*_OWN, *self._meant]))
        return {"do": "tool.call", "with": {"tool": self._meant[name], "arguments": given}}


def _schema(properties: JsonObject, required: tuple[str, ...]) -> JsonObject:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
