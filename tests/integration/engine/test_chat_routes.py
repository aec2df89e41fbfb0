import json

from .conftest import events

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


def chat(running, content, **more):
    return running.http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": content}], **more})


def test_chunks_join_to_the_whole_answer(made_up):
    whole = chat(made_up, "hello", max_tokens=8, temperature=0).json()
    text = chat(made_up, "hello", max_tokens=8, temperature=0, stream=True).text
    assert text.endswith("data: [DONE]\n\n")
    chunks = events(text)
    assert "".join(c["choices"][0]["delta"]["content"] for c in chunks) == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}


def test_the_usage_chunk_has_no_choices(made_up):
    chunks = events(chat(made_up, "hello", max_tokens=3, stream=True, stream_options={"include_usage": True}).text)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 3
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


def test_a_scripted_tool_call_is_one_whole_and_streamed(scripted):
    scripted.script(rules=[{"tool": {"name": "weather", "arguments": {"city": "Zürich"}}}])
    message = chat(scripted, "weather?", tools=[WEATHER]).json()["choices"][0]["message"]
    (call,) = message["tool_calls"]
    assert (call["id"], call["function"]["name"]) == ("0", "weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "Zürich"}
    deltas = [c["choices"][0]["delta"] for c in events(chat(scripted, "weather?", tools=[WEATHER], stream=True).text)]
    functions = [delta["tool_calls"][0]["function"] for delta in deltas if "tool_calls" in delta]
    assert functions[0] == {"name": "weather", "arguments": "{"}
    assert json.loads("".join(function["arguments"] for function in functions)) == {"city": "Zürich"}


def test_a_model_that_chooses_no_tool_is_asked_a_second_time(scripted):
    scripted.script(rules=[{"answer": "sunny", "times": 2}])
    assert chat(scripted, "weather?", tools=[WEATHER]).json()["choices"][0]["message"]["content"] == "sunny"
    chunks = events(chat(scripted, "weather?", tools=[WEATHER], stream=True).text)
    assert "".join(c["choices"][0]["delta"]["content"] for c in chunks) == "sunny"
    assert scripted.state()["calls"] == 4


def test_required_tools_are_always_called(made_up):
    message = chat(made_up, "hello", tools=[WEATHER], tool_choice="required").json()["choices"][0]["message"]
    assert set(json.loads(message["tool_calls"][0]["function"]["arguments"])) == {"city"}


def test_a_response_format_is_kept_to_in_both_spellings(made_up):
    for spelling in ({"type": "json", "value": SCHEMA}, {"type": "json_schema", "json_schema": {"schema": SCHEMA}}):
        content = chat(made_up, "hello", response_format=spelling).json()["choices"][0]["message"]["content"]
        assert isinstance(json.loads(content)["age"], int)


def test_tools_and_a_response_format_exclude_each_other_even_in_a_stream(made_up):
    answer = chat(made_up, "x", tools=[WEATHER], response_format={"type": "json", "value": SCHEMA}, stream=True)
    assert (answer.status_code, answer.json()["error_type"]) == (422, "tool_error")


def test_an_error_in_a_stream_says_422_and_is_done(made_up):
    answer = chat(made_up, "x", top_p=1.0, stream=True)
    assert answer.status_code == 200
    (error,) = events(answer.text)
    assert error["error"]["http_status_code"] == 422
    assert answer.text.endswith("data: [DONE]\n\n")


def test_logprobs_come_when_asked_for(made_up):
    answer = chat(made_up, "hello", logprobs=True, top_logprobs=2, max_tokens=3).json()
    assert len(answer["choices"][0]["logprobs"]["content"]) == 3


def test_a_presence_penalty_is_shifted_as_tgi_shifts_it(made_up):
    assert chat(made_up, "x", presence_penalty=-2.0, max_tokens=1).status_code == 422
    assert chat(made_up, "x", presence_penalty=-1.9, max_tokens=1).status_code == 200


def test_history_with_tool_calls_and_parts_is_read(made_up):
    call = {"id": "0", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "weather"}, {"type": "text", "text": "?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "0", "content": "sun"},
    ]
    prompt = made_up.http.post("/chat_tokenize", json={"messages": messages}).json()["templated_text"]
    assert "weather?" in prompt
    assert "Ulm" in prompt
    assert "sun" in prompt


def test_completions_of_several_prompts_keep_their_places(made_up):
    body = {"prompt": ["a", "b"], "max_tokens": 4, "temperature": 0}
    whole = made_up.http.post("/v1/completions", json=body).json()
    chunks = events(made_up.http.post("/v1/completions", json={**body, "stream": True}).text)
    for choice in whole["choices"]:
        mine = [c["choices"][0] for c in chunks if c["choices"][0]["index"] == choice["index"]]
        assert "".join(c["text"] for c in mine) == choice["text"]
        assert mine[-1]["finish_reason"] == choice["finish_reason"]
    assert whole["usage"]["completion_tokens"] == 8


def test_completions_refuse_suffix_and_too_many_prompts(made_up):
    for body, kind in (
        ({"prompt": "a", "suffix": "z"}, "suffix not supported"),
        ({"prompt": ["a"] * 5}, "batch size exceeded"),
    ):
        answer = made_up.http.post("/v1/completions", json=body)
        assert (answer.status_code, answer.json()["error_type"]) == (422, kind)


def test_the_models_are_listed(made_up):
    listed = made_up.http.get("/v1/models").json()
    assert listed["data"][0]["id"] == made_up.http.get("/info").json()["model_id"]
