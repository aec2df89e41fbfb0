"""Reflexion: what was wrong is remembered and is in the next prompt; a right answer ends it; trials are bounded."""

from __future__ import annotations

import json


def scripted(said, *texts):
    """Says the texts one after the other; its memory finds everything that was added."""
    left, notes = iter(texts), []

    def answer(request):
        if request.name == "memory.add":
            notes.append({"id": str(len(notes)), "content": request.args["content"], "tags": ["lesson"], "score": 1.0})
            return {"id": notes[-1]["id"]}
        if request.name == "memory.search":
            return list(notes)
        return said(next(left))

    return answer


def test_a_right_answer_needs_no_reflection(play, said):
    run = play("reflexion", scripted(said, "A river runs."))
    assert run.run({"task": "Write.", "contains": ["River"]}) == {"answer": "A river runs.", "trials": 1}
    assert [request.name for request in run.asked] == ["llm.chat"]


def test_a_lesson_is_remembered_for_the_next_trial(play, said):
    run = play("reflexion", scripted(said, "A lake.", "Name the river.", "A river."))
    assert run.run({"task": "Write.", "contains": ["river"]}) == {"answer": "A river.", "trials": 2}
    again = run.asked[-1].messages[0]["content"]
    assert again == "Write.\nRemember: The answer must contain the words river. Name the river."


def test_an_answer_that_is_too_long_is_wrong(play, said):
    run = play("reflexion", scripted(said, "a b c", "Be brief.", "a"))
    assert run.run({"task": "Write.", "at_most": 2})["trials"] == 2


def test_after_the_last_trial_it_says_what_is_still_wrong(play, said):
    found = play("reflexion", scripted(said, "x", "Try.", "y", "Try again.", "z")).run({"task": "T", "contains": ["q"]})
    assert found == {"answer": "z", "trials": 3, "wrong": "The answer must contain the words q."}


def test_without_checks_the_model_itself_is_the_judge(play, said):
    no, yes = ({"why": why, "right": not why} for why in ("It is in Italy.", ""))
    run = play("reflexion", scripted(said, "Rome", json.dumps(no), "Think of France.", "Paris", json.dumps(yes)))
    assert run.run("What is the capital of France?") == {"answer": "Paris", "trials": 2}
