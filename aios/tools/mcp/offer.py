"""What an MCP server offers and answers, read as values of ours. Pure: nothing that a server says is taken on trust."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from jsonschema import Draft202012Validator, SchemaError
from referencing import Registry as NoReferences
from referencing.exceptions import Unresolvable

from aios.errors import BadToolArguments, ToolFailed
from aios.kernel.values import canonical, clean, digest, short

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcp_types import CallToolResult, Tool

    from aios.kernel.values import Json, JsonObject

MOST_TOOLS: Final = 256
LONGEST_OFFER_BYTES: Final = 65_536
_NAME: Final = re.compile(r"[A-Za-z0-9_./-]{1,64}")
_SHOWN: Final = 80
_PROBLEMS: Final = 5


class Offer(NamedTuple):
    """One tool of a server, as it describes it.

    Attributes:
        description: what a model is told; a change of it can mislead a model as much as a change of the schema.
    """

    name: str
    description: str
    parameters: JsonObject

    @property
    def digest(self) -> bytes:
        """What changes when anything changes that a model or a program relies on."""
        return digest(self.name.encode(), self.description.encode(), canonical(self.parameters))


def offers(tools: Iterable[Tool]) -> list[Offer]:
    """The tools of a server that can be used: those with a plain name and a proper schema of bearable size."""
    found = []
    for tool in list(tools)[:MOST_TOOLS]:
        offer = Offer(tool.name, clean(tool.description or tool.title or tool.name), _cleaned(tool.input_schema))
        if (
            _NAME.fullmatch(tool.name)
            and len(canonical(list(offer))) <= LONGEST_OFFER_BYTES
            and _proper(offer.parameters)
        ):
            found.append(offer)
    return found


def check(tool: str, offer: Offer, arguments: Json) -> None:
    """Check arguments by a schema; references to other places are not followed.

    Raises:
        BadToolArguments: they do not fit; each problem says where and what is wrong.
        ToolFailed: the schema refers to something that is not in it.
    """
    validator = Draft202012Validator(offer.parameters, registry=NoReferences())
    problems = []
    try:
        for error in validator.iter_errors(arguments):
            where = ".".join(str(part) for part in error.absolute_path) or "arguments"
            problems.append(f"{where}: {error.message[: _SHOWN * 2]}, got {short(error.instance, _SHOWN)}")
            if len(problems) == _PROBLEMS:
                break
    except Unresolvable as error:
        raise ToolFailed(
            tool, "BadSchema", f"its schema refers to {str(error)[:_SHOWN]!r}, which is not in it"
        ) from error
    if problems:
        raise BadToolArguments(tool, problems)


def result(tool: str, answer: CallToolResult) -> Json:
    """What a program gets: the structured result, or the text, or a list of blocks when there is more than text.

    Raises:
        ToolFailed: the server calls it an error.
    """
    blocks = [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in answer.content]
    texts = [str(block.get("text", "")) for block in blocks if block.get("type") == "text"]
    if answer.is_error:
        raise ToolFailed(tool, "ToolError", clean("\n".join(texts))[:4000] or "it gives no reason")
    if answer.structured_content is not None:
        return _cleaned(answer.structured_content)
    if len(texts) == len(blocks):
        return clean("\n".join(texts))
    return _cleaned(blocks)


def _proper(schema: JsonObject) -> bool:
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError):
        return False
    return schema.get("type") == "object"


def _cleaned(value: Json) -> Json:
    """JSON with what Postgres cannot store replaced."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(part) for part in value]
    if isinstance(value, dict):
        return {clean(str(key)): _cleaned(part) for key, part in value.items()}
    return value
