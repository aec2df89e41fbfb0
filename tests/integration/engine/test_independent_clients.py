"""Clients that others wrote, against the engine: what they understand, it says right."""

from __future__ import annotations

import asyncio
import json

import huggingface_hub
import openai
import pytest
from huggingface_hub.errors import GenerationError, IncompleteGenerationError, OverloadedError, ValidationError

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
HELLO = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(params=["scripted", "simulated", "llama"])
def running(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def hub(running):
    with huggingface_hub.InferenceClient(base_url=running.url, timeout=30) as client:
        yield client


@pytest.fixture
def oai(running):
    with openai.OpenAI(base_url=running.url + "/v1", api_key="none", max_retries=0) as client:
        yield client


def test_hub_generates_whole_and_streamed(hub, running):
    whole = hub.text_generation("Hello", max_new_tokens=5, details=True, return_full_text=False)
    frames = list(hub.text_generation("Hello", max_new_tokens=5, details=True, stream=True, return_full_text=False))
    assert [f.token.id for f in frames] == [t.id for t in whole.details.tokens]
    assert frames[-1].generated_text == whole.generated_text
    assert frames[-1].details.finish_reason == whole.details.finish_reason


def test_hub_chats_whole_and_streamed(hub):
    whole = hub.chat_completion(HELLO, max_tokens=5, temperature=0)
    chunks = list(hub.chat_completion(HELLO, max_tokens=5, temperature=0, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == whole.choices[0].message.content
    assert whole.usage.completion_tokens == 5


def test_hub_gets_constrained_json(hub):
    text = hub.text_generation(
        "John is 30.", grammar={"type": "json", "value": SCHEMA}, max_new_tokens=64, return_full_text=False
    )
    assert isinstance(json.loads(text)["age"], int)


def test_hub_gets_a_tool_call(hub):
    answer = hub.chat_completion(HELLO, tools=[WEATHER], tool_choice="required", max_tokens=64, temperature=0)
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.name == "weather"
    assert set(json.loads(call.function.arguments)) == {"city"}


def test_hub_understands_a_refusal(hub):
    with pytest.raises(ValidationError, match="top_p"):
        hub.text_generation("Hello", top_p=1.0)


def test_asynchronous_hub_streams_and_leaves(running):
    async def scenario():
        async with huggingface_hub.AsyncInferenceClient(base_url=running.url, timeout=30) as client:
            stream = await client.text_generation("Hello", max_new_tokens=50, details=True, stream=True)
            async for frame in stream:
                assert frame.token.text is not None
                break
            await stream.aclose()
            return await client.text_generation("Hello", max_new_tokens=3, return_full_text=False)

    assert asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "error"), [(429, OverloadedError), (424, GenerationError), (500, IncompleteGenerationError)]
)
def test_hub_raises_what_the_engine_meant(scripted, status, error):
    scripted.script(rules=[{"status": status}])
    with huggingface_hub.InferenceClient(base_url=scripted.url) as client:
        with pytest.raises(error):
            client.text_generation("x")
        with pytest.raises(error):
            list(client.text_generation("x", stream=True, details=True))


def test_openai_chats_whole_and_streamed(oai):
    whole = oai.chat.completions.create(model="tgi", messages=HELLO, max_tokens=5, temperature=0)
    options = {"include_usage": True}
    stream = oai.chat.completions.create(
        model="tgi", messages=HELLO, max_tokens=5, temperature=0, stream=True, stream_options=options
    )
    *chunks, usage = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == whole.choices[0].message.content
    assert usage.usage.completion_tokens == whole.usage.completion_tokens == 5


def test_openai_gets_a_tool_call_whole_and_streamed(oai):
    ask = {"model": "tgi", "messages": HELLO, "tools": [WEATHER], "tool_choice": "required", "temperature": 0}
    (call,) = oai.chat.completions.create(**ask, max_tokens=64).choices[0].message.tool_calls
    assert set(json.loads(call.function.arguments)) == {"city"}
    pieces = [
        chunk.choices[0].delta.tool_calls[0].function
        for chunk in oai.chat.completions.create(**ask, max_tokens=64, stream=True)
        if chunk.choices[0].delta.tool_calls
    ]
    assert pieces[0].name == "weather"
    assert json.loads("".join(piece.arguments for piece in pieces)) == json.loads(call.function.arguments)


def test_openai_gets_structured_output(oai):
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
    answer = oai.chat.completions.create(
        model="tgi", messages=HELLO, response_format=wanted, max_tokens=64, temperature=0
    )
    assert isinstance(json.loads(answer.choices[0].message.content)["age"], int)


def test_openai_completes(oai):
    answer = oai.completions.create(model="tgi", prompt="Hello", max_tokens=4, temperature=0)
    chunks = oai.completions.create(model="tgi", prompt="Hello", max_tokens=4, temperature=0, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == answer.choices[0].text


def test_openai_lists_the_model(oai, running):
    assert [model.id for model in oai.models.list()] == [running.http.get("/info").json()["model_id"]]


@pytest.mark.parametrize(
    ("status", "error"), [(429, openai.RateLimitError), (500, openai.InternalServerError), (424, openai.APIStatusError)]
)
def test_openai_raises_what_the_engine_meant(scripted, status, error):
    scripted.script(rules=[{"status": status}])
    with openai.OpenAI(base_url=scripted.url + "/v1", api_key="none", max_retries=0) as client:
        with pytest.raises(error):
            client.chat.completions.create(model="tgi", messages=HELLO)
        with pytest.raises(openai.APIError):
            list(client.chat.completions.create(model="tgi", messages=HELLO, stream=True))
