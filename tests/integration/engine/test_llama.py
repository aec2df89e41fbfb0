"""The real small model behind the engine."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from jsonschema import Draft202012Validator

SCHEMAS = [
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 12},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3},
        },
        "required": ["name", "tags"],
    },
    {
        "type": "object",
        "properties": {
            "call": {"anyOf": [{"type": "object", "properties": {"_name": {"const": "add"}}}, {"type": "null"}]}
        },
        "required": ["call"],
    },
    {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "minItems": 2, "maxItems": 2},
]


def test_the_model_knows_something(llama):
    assert llama.generate("The capital of France is", max_new_tokens=2).json()["generated_text"].startswith(" Paris")


@pytest.mark.parametrize("schema", SCHEMAS)
def test_constrained_answers_are_always_valid(llama, schema):
    for seed in range(3):
        answer = llama.generate(
            "Data as JSON:",
            grammar={"type": "json", "value": schema},
            max_new_tokens=160,
            do_sample=True,
            seed=seed,
            details=True,
        ).json()
        assert answer["details"]["finish_reason"] == "eos_token"
        Draft202012Validator(schema).validate(json.loads(answer["generated_text"]))


def test_a_regex_is_kept_to(llama):
    answer = llama.generate("Phone:", grammar={"type": "regex", "value": r"\d{3}/\d{2}"}, max_new_tokens=20).json()
    assert len(answer["generated_text"]) == 6
    assert answer["generated_text"][3] == "/"


@pytest.mark.parametrize("grammar", [{"type": "regex", "value": "(["}, {"type": "json", "value": {"not": {}}}])
def test_a_grammar_that_cannot_be_kept_to_is_refused_and_not_ignored(llama, grammar):
    answer = llama.generate("x", grammar=grammar)
    assert (answer.status_code, answer.json()["error_type"]) == (422, "validation")


def test_every_token_inside_a_character_has_its_id(llama):
    text = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}\N{CJK UNIFIED IDEOGRAPH-65E5}"
    grammar = {"type": "json", "value": {"const": text}}
    answer = llama.generate("x", grammar=grammar, details=True, max_new_tokens=30).json()
    assert json.loads(answer["generated_text"]) == text
    tokens = [token for token in answer["details"]["tokens"] if not token["special"]]
    assert "".join(token["text"] for token in tokens) == answer["generated_text"]
    inside = [token for token in tokens if token["text"] == ""]
    assert len(inside) >= 4
    assert all(token["logprob"] is None for token in inside)
    again = llama.http.post("/tokenize", json={"inputs": answer["generated_text"], "add_special_tokens": False}).json()
    assert sum(len(token["text"].encode()) for token in tokens) == len(answer["generated_text"].encode())
    assert {token["id"] for token in inside} <= {piece["id"] for piece in again}


def test_an_answer_may_end_inside_a_character(llama):
    grammar = {"type": "json", "value": {"const": "\N{WOMAN}\N{WOMAN}"}}
    answer = llama.generate("x", grammar=grammar, details=True, max_new_tokens=3).json()
    assert (answer["details"]["generated_tokens"], answer["details"]["finish_reason"]) == (3, "length")
    assert len(answer["details"]["tokens"]) == 3


def test_tokenize_is_the_models_own(llama):
    text = "Hé \N{ROCKET}<|im_end|>"
    pieces = llama.http.post("/tokenize", json={"inputs": text}).json()
    assert pieces[-1]["text"] == "<|im_end|>"
    assert pieces[-1]["stop"] == len(text)
    assert all(text[piece["start"] : piece["stop"]] == piece["text"] for piece in pieces)


def test_a_seed_gives_the_same_answer_again(llama):
    ask = {"do_sample": True, "seed": 11, "max_new_tokens": 12, "temperature": 1.2}
    first, second, other = (llama.generate("Once", **ask | {"seed": seed}).json() for seed in (11, 11, 12))
    assert first == second
    assert other != first


def test_more_calls_than_slots_are_all_answered(llama):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: llama.generate(f"{n} plus {n} is", max_new_tokens=6), range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8


def test_clients_that_leave_free_their_slots_at_once(llama):
    def impatient():
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(llama.url + "/generate", json={"inputs": "Once upon a time"}, timeout=0.5)

    leaving = [threading.Thread(target=impatient) for _ in range(6)]
    for thread in leaving:
        thread.start()
    for thread in leaving:
        thread.join()
    started = time.monotonic()
    llama.generate("Hello", max_new_tokens=1)
    assert time.monotonic() - started < 3.0  # left running, the six would take much longer


def test_times_tell_queue_and_inference(llama):
    answer = llama.generate("Hello", max_new_tokens=6)
    assert int(answer.headers["x-inference-time"]) > 0
    assert int(answer.headers["x-total-time"]) >= int(answer.headers["x-inference-time"])
