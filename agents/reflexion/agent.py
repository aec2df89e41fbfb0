"""Reflexion: act, evaluate, say what to do better, remember it, and try again.

Source: Shinn et al., "Reflexion: Language Agents with Verbal Reinforcement Learning", arXiv 2303.11366.
"""

from aios import Agent, program

TRIALS = 3


@program
async def reflexion(agent: Agent, task: str | dict) -> dict:
    """Answer, let the answer be judged, learn from the verdict, and answer again.

    The task is a text, or an object with `task` and what an evaluator can check without a model:

        contains: words that the answer must have.
        at_most: how many words it may have.
    """
    job = task if isinstance(task, dict) else {"task": task}
    answer = wrong = ""
    for trial in range(1, TRIALS + 1):
        lessons = await agent.memory.search(job["task"], k=TRIALS, tags=["lesson"]) if trial > 1 else []
        advice = "".join(f"\nRemember: {lesson.content}" for lesson in lessons)
        answer = (await agent.llm.chat(job["task"] + advice, max_tokens=80)).text
        wrong = await evaluate(agent, job, answer)
        if not wrong:
            return {"answer": answer, "trials": trial}
        if trial < TRIALS:
            question = (
                f"Task: {job['task']}\nAnswer: {answer}\nProblem: {wrong}\nSay in one sentence what to do better."
            )
            lesson = await agent.llm.chat(question, max_tokens=48)
            await agent.memory.add(f"{wrong} {lesson.text}", tags=["lesson"])
    return {"answer": answer, "trials": TRIALS, "wrong": wrong}


async def evaluate(agent: Agent, job: dict, answer: str) -> str:
    """What is wrong with an answer; empty when nothing is."""
    missing = [word for word in job.get("contains", ()) if word.lower() not in answer.lower()]
    if missing:
        return f"The answer must contain the words {', '.join(missing)}."
    length = len(answer.split())
    if length > job.get("at_most", length):
        return f"The answer has {length} words; it must have at most {job['at_most']}."
    if "contains" in job or "at_most" in job:
        return ""
    question = f"Task: {job['task']}\nAnswer: {answer}\nIs the answer right? If not, say why.\nVerdict:"
    verdict = (await agent.llm.complete(question, schema=VERDICT, max_tokens=200)).json()
    return "" if verdict["right"] else str(verdict["why"])


VERDICT = {
    "type": "object",
    "properties": {
        "why": {"type": "string", "maxLength": 100},
        "right": {"type": "boolean"},
    },  # first think, then judge
    "required": ["why", "right"],
    "additionalProperties": False,
}
