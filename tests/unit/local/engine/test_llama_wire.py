import json

from hypothesis import given
from hypothesis import strategies as st

from aios.local.engine.call import Call, Grammar, Prompt, Sampling
from aios.local.engine.gguf import Vocabulary
from aios.local.engine.llama_wire import closed, request, rule, tokens

WOMAN = "\N{WOMAN}".encode()
PIECES = [b"</s>", *(bytes([byte]) for byte in range(256)), WOMAN[:2], b"ab"]
WORDS = Vocabulary(PIECES, frozenset({0}), {piece: i for i, piece in enumerate(PIECES) if i})


def event(content, token_id, *, predicted):
    probability = {"id": token_id, "token": content, "bytes": [], "logprob": -1.0, "top_logprobs": []}
    return {
        "content": content,
        "tokens": [token_id],
        "stop": False,
        "tokens_predicted": predicted,
        "completion_probabilities": [probability],
    }


def test_tokens_inside_a_character_get_their_ids_back():
    last = 1 + WOMAN[3]
    found = tokens(event("\N{WOMAN}", last, predicted=7), sent=4, vocabulary=WORDS)
    assert [(t.id, t.text, t.logprob) for t in found] == [
        (257, "", None),
        (1 + WOMAN[2], "", None),
        (last, "\N{WOMAN}", -1.0),
    ]


def test_a_control_token_is_special_and_has_its_name_as_text():
    (found,) = tokens(event("", 0, predicted=1), sent=0, vocabulary=WORDS)
    assert (found.text, found.special) == ("</s>", True)


def test_events_without_tokens_are_no_tokens():
    assert tokens({"content": "", "tokens": [], "stop": True, "tokens_predicted": 3}, sent=3, vocabulary=WORDS) == []


@given(st.binary(min_size=1, max_size=6))
def test_bytes_are_spelt_in_exactly_so_many_tokens(text):
    spelt = WORDS.spell(text, tokens=len(text))
    assert spelt is not None
    assert b"".join(PIECES[i] for i in spelt) == text
    assert WORDS.spell(text, tokens=len(text) + 1) is None


def test_what_llama_would_choose_itself_is_set_to_tgis():
    body = request(
        Call(prompt=Prompt("x", 1, (5,)), max_new_tokens=4, sampling=Sampling(greedy=False, seed=(1 << 32) - 1)),
        slot=2,
    )
    assert (body["temperature"], body["top_k"], body["top_p"], body["min_p"], body["seed"]) == (1.0, 0, 1.0, 0.0, 0)
    assert body["prompt"] == [5]


def test_a_regex_is_quoted_for_the_grammar():
    assert rule(Grammar(kind="regex", source="a/b\nc")) == "/a\\/b\\nc/"


def test_objects_are_closed_unless_they_say_otherwise():
    inner = {"properties": {"properties": {"type": "string"}}}
    schema = {"properties": {"a": inner, "b": {"additionalProperties": True, "properties": {}}}, "items": inner}
    found = closed(schema)
    assert found["additionalProperties"] is False
    assert found["properties"]["a"] == {**inner, "additionalProperties": False}
    assert found["properties"]["b"] == schema["properties"]["b"]
    assert json.dumps(schema).count("false") == 0
