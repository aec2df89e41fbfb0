"""Recorded answers come back as they were."""

from __future__ import annotations

from .conftest import events

GENERATE = {
    "generated_text": "ab",
    "details": {
        "finish_reason": "length",
        "generated_tokens": 2,
        "prefill": [{"id": 1, "text": "x", "logprob": None}],
        "seed": None,
        "tokens": [
            {"id": 5, "text": "a", "logprob": -0.5, "special": False},
            {"id": 6, "text": "b", "logprob": 0.0, "special": False},
        ],
    },
}
CHAT = {
    "choices": [
        {"finish_reason": "stop", "index": 0, "logprobs": None, "message": {"role": "assistant", "content": "hi"}}
    ],
    "created": 1,
    "id": "",
    "model": "m",
    "object": "chat.completion",
    "system_fingerprint": "f",
    "usage": {"completion_tokens": 1, "prompt_tokens": 2, "total_tokens": 3},
}
CHUNKS = [{"object": "chat.completion.chunk", "choices": [], "id": str(n)} for n in range(3)]
ASK = {"messages": [{"role": "user", "content": "x"}]}


def test_recorded_answers_come_in_order_and_then_the_backends(scripted):
    scripted.script(replay=[GENERATE, CHAT])
    assert scripted.generate("anything").json() == GENERATE
    assert scripted.http.post("/v1/chat/completions", json=ASK).json() == CHAT
    assert scripted.generate("x").json() == {"generated_text": "echo: x"}


def test_the_compatible_route_puts_a_recorded_answer_into_its_list(scripted):
    scripted.script(replay=[GENERATE])
    assert scripted.http.post("/", json={"inputs": "x"}).json() == [GENERATE]


def test_a_recorded_answer_is_streamed_token_by_token(scripted):
    scripted.script(replay=[GENERATE])
    first, last = scripted.stream("x")
    assert [first["token"], last["token"]] == GENERATE["details"]["tokens"]
    assert (first["index"], last["index"], first["details"]) == (1, 2, None)
    assert last["generated_text"] == "ab"
    assert last["details"] == {"finish_reason": "length", "generated_tokens": 2, "seed": None, "input_length": 1}


def test_recorded_chunks_are_a_stream(scripted):
    scripted.script(replay=[CHUNKS, CHUNKS])
    answer = scripted.http.post("/v1/chat/completions", json={**ASK, "stream": True})
    assert events(answer.text) == CHUNKS
    assert answer.text.endswith("data: [DONE]\n\n")
    assert scripted.http.post("/v1/chat/completions", json=ASK).status_code == 500


def test_a_recorded_chat_is_streamed_with_its_usage(scripted):
    scripted.script(replay=[CHAT])
    said, usage = events(scripted.http.post("/v1/chat/completions", json={**ASK, "stream": True}).text)
    assert said["choices"][0]["delta"] == CHAT["choices"][0]["message"]
    assert said["choices"][0]["finish_reason"] == "stop"
    assert (usage["choices"], usage["usage"]) == ([], CHAT["usage"])
