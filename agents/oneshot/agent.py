"""One request as an agent: journalled, scheduled, checked and recovered like all others."""

from aios import Agent, program
from aios.errors import InvalidArgument


@program(tools=["*"])
async def oneshot(agent: Agent, task: dict) -> object:
    """Do one request, `{"do": ..., "with": {...}}`, and give its result."""
    do, given = task["do"], task["with"]
    match do:
        case "tool.call":
            return await agent.tool.call(given["tool"], **given["arguments"])
        case "memory.add":
            return await agent.memory.add(**given)
        case "memory.search":
            notes = await agent.memory.search(**given)
            return [{"id": note.id, "content": note.content, "tags": list(note.tags)} for note in notes]
        case "storage.read":
            return await agent.storage.read(**given)
        case "storage.write":
            return (await agent.storage.write(**given)).version
        case "storage.list":
            return [{"path": file.path, "size": file.size} for file in await agent.storage.list(**given)]
        case _:
            raise InvalidArgument("do", do, "give tool.call, memory.add, memory.search, storage.read, .write or .list")
