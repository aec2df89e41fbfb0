"""Ten syscalls on all pools, whose result can be computed beforehand."""

from aios import Agent, program


@program(tools=["slow_square"])
async def errand(agent: Agent, task: dict) -> dict:
    key, n = task["key"], task["n"]
    await agent.storage.write("notes.txt", f"{key}:{n}")
    square, first, _ = await agent.gather(
        agent.tool.call("slow_square", n=n),
        agent.llm.chat(f"ask {key} one"),
        agent.memory.add(f"{key} likes {n}"),
    )
    await agent.sleep(task["sleep"])
    child = await agent.spawn("helper", {"key": f"{key}-child"})
    helped = await agent.wait(child)
    found = await agent.memory.search(f"{key} likes {n}", k=1)
    second = await agent.llm.chat(
        [
            {"role": "user", "content": f"ask {key} one"},
            first.message,
            {"role": "user", "content": f"ask {key} {square}"},
        ],
        remember=True,
    )
    notes = await agent.storage.read("notes.txt")
    return {
        "key": key,
        "square": square,
        "first": first.text,
        "helped": helped,
        "found": [note.content for note in found],
        "second": second.text,
        "notes": notes,
    }
