"""Map and reduce: a child agent per item of a list, all at once, then their results together."""

from aios import Agent, AiosError, program


@program
async def map_reduce(agent: Agent, task: str | dict) -> dict:
    """Give each item of a list to a child agent and put the results together.

    The task is a text with one item per line, or an object:

        items: what the children get, one each.
        program: the children's program; default `echo`.
        each: a text in which `{item}` stands for the item; default: the item as it is.
        reduce: what a model is to make of the results; default: nothing, they are given back as they are.
    """
    job = task if isinstance(task, dict) else {"items": [line for line in task.splitlines() if line.strip()]}
    items = [place(job["each"], item) if "each" in job else item for item in job["items"]]
    children = await agent.gather(*(agent.spawn(job.get("program", "echo"), item) for item in items))
    results = await agent.gather(*(settled(agent, child) for child in children))
    if "reduce" not in job:
        return {"results": results}
    known = "\n".join(f"- {result['result']}" for result in results if "result" in result)
    reply = await agent.llm.chat(f"{job['reduce']}\n{known}", max_tokens=96)
    return {"results": results, "reduced": reply.text}


async def settled(agent: Agent, child: str) -> dict:
    """A child's result, or why it has none: one failure does not spoil the others."""
    try:
        return {"result": await agent.wait(child)}
    except AiosError as error:
        return {"error": str(error)}


def place(text: str, item: object) -> str:
    """The text with the item in it. Not `format`: an item may hold braces of its own."""
    return text.replace("{item}", str(item))
