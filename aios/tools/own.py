"""`files.*` and `memory.*`: an agent's own files and memory, for its model. What they change happens with the call, once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aios.kernel.values import Json  # noqa: TC001  # read from the signatures when the tools are made
from aios.kernel.words import Effect
from aios.tools.caller import Caller  # noqa: TC001  # as above
from aios.tools.tool import tool

Path = Annotated[str, Field(min_length=1, max_length=1_000)]
Content = Annotated[str, Field(max_length=1_000_000)]
Count = Annotated[int, Field(ge=1, le=50)]
SECONDS = 20.0


@tool(name="files.read", effect=Effect.NONE, timeout_seconds=SECONDS)
def files_read(path: Path, caller: Caller) -> Json:
    """Read one of your text files.

    Args:
        path: such as "notes/plan.md".
        caller: whose files.

    Examples:
        What is in plan.md? -> {"path": "plan.md"}
    """
    return caller.later("storage", "read", path=path)


@tool(name="files.write", timeout_seconds=SECONDS)
def files_write(path: Path, content: Content, caller: Caller) -> Json:
    """Write a text file; what it was before stays as an earlier version.

    Args:
        path: such as "notes/plan.md".
        content: the whole text.
        caller: whose files.

    Examples:
        Write 'buy milk' to list.txt. -> {"path": "list.txt", "content": "buy milk"}
    """
    return caller.later("storage", "write", path=path, content=content)


@tool(name="files.list", effect=Effect.NONE, timeout_seconds=SECONDS)
def files_list(caller: Caller, pattern: Path = "**") -> Json:
    """List your files: paths, versions and sizes.

    Args:
        pattern: a glob such as "notes/*.md".
        caller: whose files.

    Examples:
        Which files are there? -> {"pattern": "**"}
    """
    return caller.later("storage", "list", pattern=pattern)


@tool(name="memory.add", timeout_seconds=SECONDS)
def memory_add(content: Content, caller: Caller) -> Json:
    """Remember something for later, as a whole sentence.

    Args:
        content: what to remember, as a whole sentence.
        caller: whose memory.

    Examples:
        Remember that Ann likes tea. -> {"content": "Ann likes tea."}
    """
    return caller.later("memory", "add", content=content)


@tool(name="memory.search", effect=Effect.NONE, timeout_seconds=SECONDS)
def memory_search(query: Content, caller: Caller, k: Count = 5) -> Json:
    """Look up what you remember, by meaning.

    Args:
        query: what to look for.
        k: number of results.
        caller: whose memory.

    Examples:
        What does Ann like to drink? -> {"query": "what Ann likes to drink", "k": 3}
    """
    return caller.later("memory", "search", query=query, k=k)


OWN = (files_read, files_write, files_list, memory_add, memory_search)
