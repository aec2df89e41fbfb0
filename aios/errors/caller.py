"""Errors that are the caller's mistake: never retried; each names the value and the remedy."""

from __future__ import annotations

from aios.errors.base import AiosError, hint


class CallerError(AiosError):
    """The caller's mistake: never retried."""


class InvalidArgument(CallerError):
    """`InvalidArgument(name, value, remedy)`: an argument of an API call or a command is not acceptable."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        name, value, remedy = self.args
        return f"invalid {name} {value!r}: {remedy}"


class UnknownProgram(CallerError):
    """`UnknownProgram(name, near)`."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        name, near = self.args
        return f"unknown program {name!r}" + hint(near, "see `aios programs` for those that are loaded")


class ProgramSpoilt(UnknownProgram):
    """`ProgramSpoilt(name, why)`: its file is there, and does not load."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        name, why = self.args
        return f"program {name!r} does not load ({why}); mend its file and restart the agent workers"


class UnknownTool(CallerError):
    """`UnknownTool(name, near)`."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        name, near = self.args
        return f"unknown tool {name!r}" + hint(near, "see `aios programs --tools` for those that are loaded")


class UnknownModel(CallerError):
    """`UnknownModel(name, near)`."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        name, near = self.args
        return f"unknown model {name!r}" + hint(near, "leave `model` out to use the engine's own")


class UnknownCore(CallerError):
    """`UnknownCore(name, near)`."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        name, near = self.args
        return f"unknown core {name!r}" + hint(near, "see `aios cores list` for those there are")


class NotFound(CallerError):
    """`NotFound(kind, id)`: no agent, file, memory or schedule has this id."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        kind, name = self.args
        return f"no {kind} {name!r}"


class BadToolArguments(CallerError):
    """`BadToolArguments(tool, problems)`: a text that a model can repair its call from."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        tool, problems = self.args
        lines = "; ".join(str(p) for p in problems) if isinstance(problems, list) else str(problems)
        return f"arguments of tool {tool!r} do not fit its schema: {lines}. Call it again with arguments that do."


class EngineRefused(CallerError):
    """`EngineRefused(core, kind, text)`: the engine called the request invalid (HTTP 4xx but 429)."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        core, kind, text = self.args
        return f"engine {core!r} refused the request ({kind}): {text}"


class ContextOverflow(CallerError):
    """`ContextOverflow(core, tokens, room, turns)`: a conversation does not fit into what a core can read.

    `turns`: so many of the oldest turns have to go; 0: the request's strategy lets none go, or what must stay is too much.
    """

    @property
    def room(self) -> int:
        """Tokens that a conversation may have, the reply's kept free."""
        return int(self.args[2])

    @property
    def turns(self) -> int:
        """How many of the oldest turns have to go."""
        return int(self.args[3])

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        core, tokens, room, turns = self.args
        told = f"the conversation has {tokens} tokens, and core {core!r} has room for {room} beside the reply"
        if turns:
            return f"{told}: its {turns} oldest turns have to go"
        return f'{told}; say less, ask for fewer max_tokens, or let turns go: context="drop_oldest", "summarise" or "page_out"'


class BudgetSpent(CallerError):
    """`BudgetSpent(budget, limit, spent)`: an agent's tree used up one of its budgets."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        budget, limit, spent = self.args
        return f"budget {budget!r} is spent: {spent} of {limit}; submit with a larger `budgets={{{budget!r}: ...}}`"


class NondeterminismError(CallerError):
    """`NondeterminismError(seq, recorded, replayed)`: a replay asked for something else than the journal holds."""

    def __str__(self) -> str:
        """Both sides of the divergence."""
        seq, recorded, replayed = self.args
        return (
            f"the program's request {seq} differs from the journal's: recorded {recorded}, replayed {replayed}. "
            "Use agent.now/random/uuid/step for what changes between runs, or agent.patched('id') round a wanted change; "
            "after a fix: `aios retry AGENT`"
        )


class ForeignAwaitable(CallerError):
    """`ForeignAwaitable(what)`: a program awaited something that is no request of its agent."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        (what,) = self.args
        return (
            f"a program awaited {what}, which is no request of its agent: there is no event loop here. Do such work in "
            "`await agent.step(fn, ...)` (a plain function, journalled) or in a tool"
        )


class NotJson(CallerError):
    """`NotJson(what, why)`: a value that must be journalled is no JSON."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        what, why = self.args
        return f"{what} is not JSON ({why}); use dicts, lists, strings, numbers, booleans and None"


class ValueTooLong(CallerError):
    """`ValueTooLong(what, length, limit)`: a value is longer than the journal takes."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        what, length, limit = self.args
        remedy = "keep it in a file and pass its path, or raise limits.value_bytes"
        return f"{what} is {length} bytes long, more than {limit}: {remedy}"


class AgentEnded(CallerError):
    """`AgentEnded(id, state)`: the operation needs a live agent."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        agent, state = self.args
        return f"agent {agent} has already ended ({state})"


class BadMessage(CallerError):
    """`BadMessage(task, why)`: a message on a queue is malformed or oversized; it was refused and counted."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        task, why = self.args
        return f"refused a message for {task}: {why}"


class VersionConflict(CallerError):
    """`VersionConflict(path, wanted, found)`: a file is not at the version that a write was meant for; 0: there is none."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        path, wanted, found = self.args
        if not wanted:
            return f"{path!r} exists already, at version {found}; write it without `expect`, or choose another name"
        there = f"is at version {found}" if found else "does not exist"
        return f"{path!r} {there}, not at version {wanted}; read it again, and write with `expect={found}`"


class CallTooLarge(CallerError):
    """`CallTooLarge(key, tokens, limit)`: one call asks for more tokens than its key may use in a minute."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        key, tokens, limit = self.args
        return (
            f"about {tokens} tokens in one call, and {key} may use {limit} a minute; ask with a shorter prompt or fewer "
            f"`max_tokens`, or raise the limit with `aios sched limit {key} --tokens N`"
        )


class NoPlan(CallerError):
    """`NoPlan(what, value, why)`: a model's answer is no plan of file operations; nothing of it is done."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        what, value, why = self.args
        return f"the {what} {value!r} is not understood: {why}; say it in other words, or use `aios fs`"
