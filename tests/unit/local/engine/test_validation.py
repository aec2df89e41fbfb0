import asyncio
import json

import pytest

from aios.local.engine.bodies import GenerateBody, Parameters
from aios.local.engine.refusal import Refusal
from aios.local.engine.script import Script
from aios.local.engine.scripted import Scripted
from aios.local.engine.validation import Limits, validate

LIMITS = Limits(max_total_tokens=20, max_input_tokens=10)


def call(inputs="one two", **parameters):
    backend = Scripted(script=Script(), context=20)
    body = Parameters.model_validate(parameters)
    return asyncio.run(validate(inputs, body, backend=backend, limits=LIMITS))


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"temperature": 0.0}, "`temperature` must be strictly positive"),
        ({"top_p": 1.0}, "`top_p` must be > 0.0 and < 1.0"),
        ({"top_p": 0.0}, "`top_p` must be > 0.0 and < 1.0"),
        ({"typical_p": 1.0}, "`typical_p` must be > 0.0 and < 1.0"),
        ({"top_k": 0}, "`top_k` must be strictly positive"),
        ({"repetition_penalty": 0.0}, "`repetition_penalty` must be strictly positive"),
        ({"frequency_penalty": 2.1}, "`frequency_penalty` must be >= -2.0 and <= 2.0"),
        ({"max_new_tokens": 0}, "`max_new_tokens` must be strictly positive"),
        ({"stop": list("abcde")}, "`stop` supports up to 4 stop sequences. Given: 5"),
        ({"top_n_tokens": 6}, "`top_n_tokens` must be >= 0 and <= 5. Given: 6"),
        ({"truncate": 11}, "`truncate` must be strictly positive and less than 10. Given: 11"),
        ({"best_of": 3, "do_sample": True}, "`best_of` must be > 0 and <= 2. Given: 3"),
        ({"best_of": 2}, "you must use sampling when `best_of` is > 1"),
        ({"best_of": 2, "do_sample": True, "seed": 1}, "`seed` must not be set when `best_of` > 1"),
        ({"grammar": {"type": "regex", "value": "a+"}}, "grammar is not valid"),
        ({"grammar": {"type": "json", "value": "{"}}, "grammar is not valid"),
        (
            {"max_new_tokens": 18},
            "`inputs` tokens + `max_new_tokens` must be <= 20. Given: 3 `inputs` tokens and 18 `max_new_tokens`",
        ),
    ],
)
def test_out_of_bounds_is_refused_with_tgis_text(parameters, text):
    with pytest.raises(Refusal) as caught:
        call(**parameters)
    assert caught.value.text.startswith("Input validation error: " + text)
    assert (caught.value.kind, caught.value.status) == ("validation", 422)


@pytest.mark.parametrize(
    ("inputs", "text"),
    [("", "`inputs` cannot be empty"), ("abc" * 11, "`inputs` must have less than 10 tokens. Given: 11")],
)
def test_prompts_out_of_bounds_are_refused(inputs, text):
    with pytest.raises(Refusal, match=text):
        call(inputs)


def test_truncate_keeps_the_last_tokens():
    assert call("abcdefghi" * 5, truncate=2).prompt == ("defghi", 2, ())


def test_without_max_new_tokens_the_room_is_what_the_prompt_leaves():
    assert call("abcdef").max_new_tokens == 18


def test_absent_parameters_sample_and_given_ones_do_not():
    assert GenerateBody.model_validate({"inputs": "x"}).parameters.do_sample
    assert not GenerateBody.model_validate({"inputs": "x", "parameters": {}}).parameters.do_sample


@pytest.mark.parametrize("name", ["temperature", "top_k", "top_p", "typical_p"])
def test_any_sampling_parameter_turns_sampling_on(name):
    assert call().sampling.greedy
    assert not call(**{name: 1 if name == "top_k" else 0.5}).sampling.greedy


@pytest.mark.parametrize(
    "bad", [{"do_sample": None}, {"max_new_tokens": "5"}, {"max_new_tokens": -1}, {"seed": 1 << 64}]
)
def test_types_are_as_strict_as_tgis(bad):
    with pytest.raises(ValueError):
        Parameters.model_validate_json(json.dumps(bad))


@pytest.mark.parametrize(
    "grammar",
    [
        {"type": "json", "value": {"type": "object"}},
        {"type": "json", "value": '{"type":"object"}'},
        {"type": "json_schema", "value": {"name": "n", "schema": {"type": "object"}}},
        {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"type": "object"}}},
        {"type": "json_object"},
    ],
)
def test_every_spelling_of_a_schema_is_the_same_grammar(grammar):
    found = call(grammar=grammar).grammar
    assert found is not None
    assert found.source == '{"type":"object"}'
