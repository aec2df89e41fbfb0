"""Shell: commands in plain words become operations on the agent's files. `aios shell` speaks to it.

Every question it asks carries the report of what was done before: the conversation is durable, and costs no worker while
nobody answers. It asks before it changes a file that is there; an answer of the model that is no plan changes nothing.
"""

from pathlib import Path

from aios import Agent, AiosError, program
from aios.errors import NoPlan
from aios.kernel.commands import Step, parse, schema
from aios.kernel.paths import canonical

EXAMPLES = Path(__file__).with_name("prompt.txt").read_text()
ROUNDS = 20  # then the journal begins anew
SHOWN = 40
YES_OR_NO = ("yes", "no")


@program
async def shell(agent: Agent, task: dict | str) -> str:
    """Do what a person says with this agent's files; a task that is a text is the first command."""
    report = task.get("report", "Ready.") if isinstance(task, dict) else await obey(agent, task)
    for _ in range(ROUNDS):
        command = str(await agent.ask(report)).strip()
        if command in {"exit", "quit", "bye"}:
            return report
        report = await obey(agent, command) if command else "Say what to do with the files, or `exit`."
    return agent.continue_as_new({"report": report})


async def obey(agent: Agent, command: str) -> str:
    """Plan a command, ask if it must be asked, do it; gives the report."""
    files = await agent.storage.list("**")
    own = f"/agents/{agent.id}/"
    names = [file.path.removeprefix(own) for file in files]
    prompt = (
        f"{EXAMPLES}\nFiles: {', '.join(names[:SHOWN]) or 'none'}\nCommand: {' '.join(command.split())[:500]}\nPlan:"
    )
    reply = await agent.llm.complete(prompt, schema=schema(), max_tokens=400)
    try:
        steps = parse(reply.text)
    except NoPlan as error:
        return f"The model's answer is no plan, so nothing was done ({error})."
    if not steps:
        return "The model found nothing to do with files in that; nothing was done."
    plan = "\n".join(f"  {place}. {step}" for place, step in enumerate(steps, 1))
    if any(step.asks for step in steps):
        answer = await agent.ask(f"The plan:\n{plan}\nThis changes files that may be there. Do it?", choices=YES_OR_NO)
        if answer != "yes":
            return f"Nothing was done of:\n{plan}"
    versions = {file.path: file.version for file in files}
    return f"{plan}\n\n{await done(agent, steps, versions)}"


async def done(agent: Agent, steps: tuple[Step, ...], versions: dict[str, int]) -> str:
    """Do the steps one after the other, up to the first that fails; gives what each of them said."""
    told = []
    for place, step in enumerate(steps, 1):
        try:
            told.append(f"{place}. {await perform(agent, step, versions)}")
        except AiosError as error:
            told.append(f"{place}. failed: {error}")
            left = len(steps) - place
            told += [f"the {left} steps behind it were not done"] if left else []
            break
    return "\n".join(told)


async def perform(agent: Agent, step: Step, versions: dict[str, int]) -> str:
    """Do one step."""
    if step.op in {"copy", "move"}:
        act = agent.storage.copy if step.op == "copy" else agent.storage.move
        return "\n".join(told_written(file) for file in await act(step.args["source"], step.args["target"]))
    if step.op in {"list", "read", "search", "summarise", "history"}:
        return await look(agent, step)
    return await change(agent, step, versions)


async def look(agent: Agent, step: Step) -> str:
    """What a step that changes nothing shows."""
    disk, args = agent.storage, step.args
    match step.op:
        case "list":
            lines = [f"{file.path} ({file.size} bytes)" for file in await disk.list(args["pattern"])]
        case "read":
            lines = [await disk.read(args["path"], length=20_000)]
        case "search":
            found = await disk.search(args["query"], k=5, by="words")
            lines = [f"{hit.path}: {hit.content[:200]}" for hit in found.hits]
            lines += [f"({found.unindexed} files are too new to be found yet)"] if found.unindexed else []
        case "summarise":
            lines = [(await disk.summarise(args["path"])).text]
        case _:
            past = await disk.history(args["path"])
            lines = [f"version {one['version']}: {one['op']}, {one['created_at']}" for one in past]
    return "\n".join(lines) or "nothing found"


async def change(agent: Agent, step: Step, versions: dict[str, int]) -> str:
    """Make, change or delete one file. What was agreed to was about the version of then: one that came since is left alone."""
    disk, args = agent.storage, step.args
    path = canonical(args["path"], home=f"/agents/{agent.id}/")
    known = versions.get(path)
    match step.op:
        case "mkdir":
            await disk.mkdir(path)
            return f"made {path}"
        case "delete":
            await disk.delete(path, expect=known)
            versions.pop(path, None)
            return f"deleted {path}; its versions stay"
        case "rollback":
            back = await disk.rollback(path, args["versions"], expect=known)
            versions[path] = back["version"]
            return f"{path} is as it was at version {back['restored']}"
        case "create":
            file = await disk.create(path, args["content"])
        case "write":
            file = await disk.write(path, args["content"], expect=known or 0)
        case _:
            file = await disk.append(path, args["content"], expect=known or 0)
    versions[path] = file.version  # what the next step of the plan finds
    return told_written(file)


def told_written(file: object) -> str:
    """What a written file is now."""
    return f"{file.path} is at version {file.version}"
