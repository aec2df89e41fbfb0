"""What the benchmark of storage runs: versions of one file written in order, each for the version before it."""

from aios import Agent, program

ROUND = 50  # then the journal begins anew, so that the last write costs what the first one did


@program
async def scribe(agent: Agent, task: dict) -> int:
    """Write so many versions of an own file by compare-and-set, and a line of each to a file that all writers share."""
    done = task["done"]
    for number in range(done + 1, min(done + ROUND, task["writes"]) + 1):
        if number % 2:
            await agent.storage.write("own.txt", f"{task['writer']} {number}", expect=number // 2)
        else:
            await agent.storage.write("/groups/scribes/shared.txt", f"{task['writer']} {number}")
    if done + ROUND >= task["writes"]:
        return task["writes"]
    return agent.continue_as_new({**task, "done": done + ROUND})
