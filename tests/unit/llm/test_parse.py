import json

import pytest

from aios.kernel.chat import ToolCall, Usage
from aios.llm import parse


def frame(index, text, *, generated=None, details=None, special=False):
    token = {"id": index + 100, "text": text, "logprob": -0.5, "special": special}
    return {"index": index, "token": token, "generated_text": generated, "details": details}


def choice(content=None, *, calls=None, reason=None, index=0):
    return {"index": index, "delta": {"content": content, "tool_calls": calls}, "finish_reason": reason}


def called(arguments, *, name=None, id="0", index=0):
    return {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_the_last_frame_ends_a_generation_with_the_servers_own_text_and_counts():
    frames = [
        frame(1, "a"),
        frame(
            2, "</s>", generated="a", details={"finish_reason": "eos_token", "generated_tokens": 2, "input_length": 7}
        ),
    ]
    tokens = [parse.token(f) for f in frames]
    assert parse.finish(frames[0], tokens[:1]) is None
    finish = parse.finish(frames[1], tokens)
    assert (finish.text, finish.reason, finish.usage) == ("a", "stop", Usage(7, 2))
    assert finish.token_ids == (101, 102)


def test_an_empty_answer_is_an_answer():
    last = frame(1, "", generated="", details={"finish_reason": "length", "generated_tokens": 1, "input_length": 3})
    assert parse.finish(last, [parse.token(last)]).text == ""


def test_what_postgres_cannot_store_is_replaced():
    assert parse.token(frame(1, "a\x00b")).text == "a\ufffdb"


@pytest.mark.parametrize("spelling", sorted(parse.REASONS))
def test_every_spelling_of_a_finish_reason_is_known(spelling):
    draft = parse.ChatDraft()
    draft.add(choices=[choice("x", reason=spelling)], usage=None)
    assert draft.finish().reason == parse.REASONS[spelling]


def test_a_chat_keeps_its_text_and_every_tool_call():
    draft = parse.ChatDraft()
    draft.add(choices=[choice("Let me ", calls=None)], usage=None)
    draft.add(choices=[choice("see. ", calls=[called("{", name="clock", id="a")])], usage=None)
    draft.add(
        choices=[choice(calls=[called('"zone": "UTC"}', id="a"), called({"x": 1}, name="add", id="b", index=1)])],
        usage=None,
    )
    draft.add(choices=[], usage={"prompt_tokens": 5, "completion_tokens": 9})
    finish = draft.finish()
    assert finish.text == "Let me see. "
    assert finish.tool_calls == (ToolCall("clock", {"zone": "UTC"}, "a"), ToolCall("add", {"x": 1}, "b"))
    assert finish.usage == Usage(5, 9)


@pytest.mark.parametrize("arguments", [{"a": 1}, '{"a": 1}'])
def test_arguments_may_be_an_object_or_its_json_text_and_the_calls_an_object_or_a_list(arguments):
    for calls in ([called(arguments, name="t")], called(arguments, name="t")):
        draft = parse.ChatDraft()
        draft.add(choices=[choice(calls=calls)], usage=None)
        assert draft.finish().tool_calls == (ToolCall("t", {"a": 1}, "0"),)


def test_the_call_of_no_tool_is_a_reply_in_words():
    draft = parse.ChatDraft()
    draft.add(choices=[choice(calls=[called(json.dumps({"content": "Hello"}), name="no_tool")])], usage=None)
    finish = draft.finish()
    assert (finish.text, finish.tool_calls) == ("Hello", ())


def test_a_tool_call_cut_short_stays_in_the_text():
    draft = parse.ChatDraft()
    draft.add(choices=[choice(calls=[called('{"a": ', name="t")], reason="length")], usage=None)
    finish = draft.finish()
    assert (finish.text, finish.tool_calls, finish.reason) == ('t {"a": ', (), "length")


def test_other_choices_than_the_first_are_left_out():
    draft = parse.ChatDraft()
    draft.add(choices=[choice("first"), choice("second", index=1)], usage=None)
    assert draft.finish().text == "first"


@pytest.mark.parametrize("as_text", [str, json.loads], ids=["text", "object"])
def test_calls_with_one_index_and_two_ids_are_two(as_text):
    """Ollama's way, https://github.com/ollama/ollama/issues/15457."""
    draft = parse.ChatDraft()
    for id_, arguments in (("call_1", '{"path": "a", "text": "A"}'), ("call_2", '{"path": "b"}')):
        draft.add(choices=[choice("", calls=[called(as_text(arguments), name="write", id=id_)])], usage=None)
    draft.add(choices=[choice("", reason="tool_calls")], usage=None)
    finish = draft.finish()
    assert finish.text == ""
    assert finish.tool_calls == (
        ToolCall("write", {"path": "a", "text": "A"}, "call_1"),
        ToolCall("write", {"path": "b"}, "call_2"),
    )
