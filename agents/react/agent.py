"""React: think, use a tool, look at what it gave, and so on until there is an answer.

Source: Yao et al., "ReAct: Synergizing Reasoning and Acting in Language Models", arXiv 2210.03629.
"""

import json
from pathlib import Path

from aios import Agent, AiosError, program

ROUNDS = 6
# Small models call tools when they continue a text of examples under a grammar, not through their chat template; large
# ones do both.
EXAMPLES = Path(__file__).with_name("prompt.txt").read_text()


@program(tools=["calculator", "clock", "text"])
async def react(agent: Agent, task: object) -> str:
    """Answer a question in steps of thought, tool and observation."""
    question = task if isinstance(task, str) else json.dumps(task)
    notes = f"{EXAMPLES}\nQuestion: {' '.join(question.split())}\n"
    for _ in range(ROUNDS):
        reply = await agent.llm.complete(f"{notes}Step:", schema=STEP, max_tokens=400)
        try:
            step = reply.json()
        except ValueError:  # cut at max_tokens
            notes += "Observation: error: that step was too long\n"
            continue
        if step["tool"] == "answer":
            return str(step["input"]["text"])
        try:
            seen = json.dumps(await agent.tool.call(step["tool"], **step["input"]))
        except AiosError as error:  # it says what is wrong with the call: the model may repair it
            seen = f"error: {error}"
        notes += f"Step: {json.dumps(step)}\nObservation: {seen[:500]}\n"
    return f"no answer after {ROUNDS} rounds"


def choice(tool: str, **arguments: object) -> dict:
    """The JSON schema of a step that uses one tool."""
    return fields(thought=WORDS, tool={"const": tool}, input=fields(**arguments))


def fields(**schemas: object) -> dict:
    """The JSON schema of an object with exactly these fields."""
    return {"type": "object", "properties": schemas, "required": list(schemas), "additionalProperties": False}


WORDS = {"type": "string", "maxLength": 120}
OPERATION = {"enum": ["upper", "lower", "title", "reverse", "count_words", "count_characters"]}
STEP = {
    "anyOf": [
        choice("calculator", expression=WORDS),
        choice("clock", zone=WORDS),
        choice("text", operation=OPERATION, text=WORDS),
        choice("answer", text=WORDS),
    ]
}
