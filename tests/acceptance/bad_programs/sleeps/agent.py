"""Blocks its thread in C, where Python cannot interrupt it."""

import time

from aios import Agent, program


@program
async def sleeps(agent: Agent, task: str) -> str:
    time.sleep(600)  # noqa: ASYNC251  # the fault under test
    return "never"
