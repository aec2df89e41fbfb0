"""Random programs, as trees, and the coroutine that walks one: for the property tests of the replay."""

from __future__ import annotations

from hypothesis import strategies as st

from aios.errors import EngineFailed

# A program is a tree: ("call", n) asks once, ("seq", [...]) one after the other, ("gather", [...]) side by side,
# ("try", tree) catches what it raises, ("spawn", n) starts a child and waits, ("sleep",) waits, ("local",) asks for a
# journalled random number. A call whose number divides by five fails.
leaves = st.one_of(
    st.integers(0, 40).map(lambda n: ("call", n)),
    st.integers(0, 9).map(lambda n: ("spawn", n)),
    st.just(("sleep",)),
    st.just(("local",)),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(lambda parts: ("seq", parts)),
        st.lists(inner, min_size=1, max_size=4).map(lambda parts: ("gather", parts)),
        inner.map(lambda part: ("try", part)),
    ),
    max_leaves=12,
)


async def walk(agent, tree):  # noqa: PLR0911  # one arm per kind of node
    match tree:
        case ("call", n):
            return await agent.tool.call("calculator", expression=str(n))
        case ("spawn", n):
            return await agent.wait(await agent.spawn("leaf", n))
        case ("sleep",):
            await agent.sleep(1)
            return "slept"
        case ("local",):
            return await agent.random()
        case ("seq", parts):
            return [await walk(agent, part) for part in parts]
        case ("gather", parts):
            return await agent.gather(*(walk(agent, part) for part in parts))
        case ("try", part):
            try:
                return await walk(agent, part)
            except EngineFailed as error:
                return f"caught {error.args[0]}"
