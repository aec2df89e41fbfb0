import pytest
from pydantic import ValidationError

from aios.local.engine.script import Rule, choose, echo


def test_groups_of_the_last_match_stand_in_the_answer():
    rule = Rule(match=r"double (\d+)(x?)", answer='{"n": {0}, "x": "{1}", "none": {7}}')
    assert rule.text("double 3, then double 21") == '{"n": 21, "x": "", "none": {7}}'


def test_an_answer_without_a_rule_echoes_the_end_of_the_prompt():
    assert echo("a" * 100) == "echo: " + "a" * 64


def test_an_echo_of_a_chat_is_of_its_last_turn():
    chat = "<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\nhi\nyou<|im_end|>\n<|im_start|>assistant\n"
    assert echo(chat) == "echo: hi\nyou"


def test_the_first_rule_that_applies_decides_until_it_is_spent():
    rules = [Rule(contains="x", times=1), Rule(contains="x", calls=[3]), Rule()]
    used: dict[int, int] = {}
    places = []
    for call, prompt in enumerate(["x", "x", "x", "y"], start=1):
        chosen = choose(rules, prompt=prompt, call=call, used=used)
        assert chosen is not None
        used[chosen.place] = used.get(chosen.place, 0) + 1
        places.append(chosen.place)
    assert places == [0, 2, 1, 2]


def test_a_retry_after_is_a_real_status():
    refusal = Rule(status=429, retry_after_seconds=2).refusal()
    assert refusal is not None
    assert (refusal.kind, refusal.at_http, refusal.headers) == ("overloaded", True, {"retry-after": "2"})


@pytest.mark.parametrize("bad", [{"match": "("}, {"unknown": 1}])
def test_a_wrong_rule_is_refused(bad):
    with pytest.raises(ValidationError):
        Rule.model_validate(bad)
