"""Reflexion: what was wrong is remembered and is in the next prompt; a right answer ends it; trials are bounded."""

from __future__ import annotations

from aios.testing import play


def test_a_right_answer_needs_no_reflection(shipped):
    played = play(shipped["reflexion"], {"task": "Write.", "contains": ["River"]}, llm=["A river runs."])
    assert played.result == {"answer": "A river runs.", "trials": 1}
    assert [line.name for line in played.journal] == ["llm.chat"]


def test_a_lesson_is_remembered_for_the_next_trial(shipped):
    said = ["A lake.", "Name the river.", "A river."]
    played = play(shipped["reflexion"], {"task": "Write.", "contains": ["river"]}, llm=said)
    assert played.result == {"answer": "A river.", "trials": 2}
    again = played.asked[-1].messages[0]["content"]
    assert again == "Write.\nRemember: The answer must contain the words river. Name the river."


def test_an_answer_that_is_too_long_is_wrong(shipped):
    played = play(shipped["reflexion"], {"task": "Write.", "at_most": 2}, llm=["a b c", "Be brief.", "a"])
    assert played.result["trials"] == 2


def test_after_the_last_trial_it_says_what_is_still_wrong(shipped):
    said = ["x", "Try.", "y", "Try again.", "z"]
    played = play(shipped["reflexion"], {"task": "T", "contains": ["q"]}, llm=said)
    assert played.result == {"answer": "z", "trials": 3, "wrong": "The answer must contain the words q."}


def test_without_checks_the_model_itself_is_the_judge(shipped):
    no, yes = ({"why": why, "right": not why} for why in ("It is in Italy.", ""))
    said = ["Rome", no, "Think of France.", "Paris", yes]
    played = play(shipped["reflexion"], "What is the capital of France?", llm=said)
    assert played.result == {"answer": "Paris", "trials": 2}
