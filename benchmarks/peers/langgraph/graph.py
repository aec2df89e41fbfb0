"""The reference agent as a graph: each operation is a node, so that each is a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from operations import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langgraph.types import StateSnapshot


class State(TypedDict):
    """What a checkpoint holds."""

    agent: str
    step: int
    text: str


def graph(nodes: Mapping[str, Callable[[State], Any]]) -> StateGraph[State]:
    """Think, remember, write a file, and begin again, until the steps are done.

    Args:
        nodes: a function for each kind of operation; it gives what changes in the state.
    """
    made = StateGraph(State)
    for name, function in nodes.items():
        made.add_node(name, function)
    made.add_edge(START, "llm")
    made.add_conditional_edges("llm", lambda state: END if state["step"] == len(STEPS) else "memory")
    made.add_edge("memory", "file")
    made.add_edge("file", "llm")
    return made


def entry(agent: str, found: StateSnapshot) -> State | None:
    """What to invoke the graph with: None goes on from the last checkpoint, if there is one."""
    return None if found.values else State(agent=agent, step=0, text="")
