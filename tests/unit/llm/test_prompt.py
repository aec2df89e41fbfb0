from uuid import UUID, uuid4

import pytest

from aios.errors import InvalidArgument
from aios.kernel.chat import ToolSpec
from aios.kernel.ports import Claimed
from aios.kernel.resources.llm import LLM
from aios.llm.prompt import prompt_of, with_memories

NOTES = [{"id": "1", "content": "likes tea"}, {"id": "2", "content": "is from Lyon"}]


def claimed(payload, *, earlier=(), messages=(), id=None):
    return Claimed(
        id=id or uuid4(), agent_id=uuid4(), request_id=uuid4(), position=0, pool="llm", op="chat", payload=payload,
        token=uuid4(), attempt=1, errors=0, priority=5, program="p", tenant="", seconds_left=60.0,
        earlier=list(earlier), messages=list(messages),
    )  # fmt: skip


def no_tools(name):
    pytest.fail(f"asked for {name}")


def test_a_prompt_carries_the_conversation_the_tools_and_the_names_of_syscall_and_claim():
    call = claimed(
        {"sampling": {"max_tokens": 5}, "tools": ["t"], "model": "m"}, messages=[{"role": "user", "content": "hi"}]
    )
    prompt = prompt_of(call, spec=lambda name: ToolSpec(name, "", {}))
    assert prompt.messages == [{"role": "user", "content": "hi"}]
    assert (prompt.sampling.max_tokens, prompt.model, prompt.tools) == (5, "m", [ToolSpec("t", "", {})])
    assert prompt.trace == {"x-aios-syscall": str(call.id), "x-aios-claim": str(call.token)}


def test_a_completion_has_a_text_and_a_schema():
    prompt = prompt_of(claimed({"sampling": {}, "prompt": "Once", "schema": '{"type": "string"}'}), spec=no_tools)
    assert (prompt.text, prompt.schema) == ("Once", {"type": "string"})


def test_a_quality_is_asked_of_the_cores_and_one_that_none_can_have_is_refused():
    asked = LLM().chat("hi", quality=0.8)
    assert prompt_of(claimed(asked.args), spec=no_tools).quality == 0.8
    assert "quality" not in LLM().chat("hi").args, "journals from before are replayed as they are"
    with pytest.raises(InvalidArgument, match="invalid quality 80: give a number from 0 to 1"):
        LLM().chat("hi", quality=80)


def test_a_second_attempt_draws_with_the_seed_of_the_first():
    syscall = UUID(int=2**100 + 7)
    assert prompt_of(claimed({}, id=syscall), spec=no_tools).sampling.seed == 7
    assert prompt_of(claimed({"sampling": {"seed": 3}}, id=syscall), spec=no_tools).sampling.seed == 3


def test_recalled_memories_stand_in_front_of_the_conversation():
    call = claimed({"recalled": 0}, earlier=[NOTES], messages=[{"role": "user", "content": "hi"}])
    prompt = prompt_of(call, spec=no_tools)
    first, second = with_memories(prompt.messages, prompt.notes)
    assert first == {"role": "system", "content": "What you remember:\n- likes tea\n- is from Lyon"}
    assert second["role"] == "user"


def test_recalled_memories_join_the_system_message():
    (only,) = with_memories([{"role": "system", "content": "Be kind."}], [note["content"] for note in NOTES])
    assert only["content"].startswith("Be kind.\n\nWhat you remember:\n- likes tea")


def test_nothing_recalled_changes_nothing():
    messages = [{"role": "user", "content": "hi"}]
    assert with_memories(messages, []) == messages
