"""The OpenAI driver against a transport in memory: what it sends, and what it makes of answers."""

import asyncio
import json

import httpx2
import openai
import pytest

from aios.errors import (
    EngineFailed,
    EngineOverloaded,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
    Ignored,
    Misconfigured,
)
from aios.kernel.chat import Sampling, ToolSpec
from aios.kernel.ports import Finish, Prompt
from aios.llm.openai import OpenAIDriver
from aios.llm.openai_faults import KNOWN, translated
from aios.settings import LLMSettings

FETCH = ToolSpec("web.fetch", "Fetch.", {"type": "object", "properties": {"url": {"type": "string"}}})
MODELS = {"object": "list", "data": [{"id": "m/one", "object": "model", "max_model_len": 4096}]}
CHAT = Prompt(messages=[{"role": "user", "content": "hi"}], sampling=Sampling(max_tokens=2))


def chunk(delta, *, reason=None, usage=None):
    choices = [{"index": 0, "delta": delta, "finish_reason": reason}] if delta is not None else []
    return {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": choices,
        "usage": usage,
    }


def sse(*frames, done=True):
    lines = [b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames]
    return b"".join([*lines, b"data: [DONE]\n\n" if done else b""])


ANSWER = sse(
    chunk({"role": "assistant", "content": "a"}),
    chunk({"content": "b"}, reason="stop"),
    chunk(None, usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}),
)


class Server:
    """Answers by path and keeps what was asked."""

    def __init__(self, answer=ANSWER, *, status=200, headers=None, models=MODELS):
        self.answer, self.status, self.headers, self.models = answer, status, headers or {}, models
        self.asked = []

    def __call__(self, request):
        self.asked.append(request)
        if request.url.path.endswith("/models"):
            return httpx2.Response(200, json=self.models)
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, bytes):
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=self.answer)
        return httpx2.Response(self.status, json=self.answer, headers=self.headers)

    def body(self):
        return json.loads(self.asked[-1].content)


def driver(server, url="http://core", context_tokens=0, **settings):
    return OpenAIDriver(
        url=url,
        settings=LLMSettings(**settings),
        name="core",
        context_tokens=context_tokens,
        transport=httpx2.MockTransport(server),
    )


def generate(core, prompt=CHAT):
    async def run():
        try:
            return [item async for item in core.generate(prompt)]
        finally:
            await core.aclose()

    return asyncio.run(run())


def info(core):
    async def run():
        try:
            return await core.info()
        finally:
            await core.aclose()

    return asyncio.run(run())


def test_a_chat_is_a_stream_of_texts_and_one_finish():
    server = Server()
    *tokens, finish = generate(driver(server))
    assert [(t.index, t.text) for t in tokens] == [(1, "a"), (2, "b")]
    assert (type(finish), finish.text, finish.usage.total) == (Finish, "ab", 5)
    assert server.body() == {
        "model": "m/one",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 2,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_tool_calls_in_pieces_are_put_together_under_their_own_name():
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "web_fetch", "arguments": '{"ur'}}
    second = {"index": 0, "function": {"arguments": 'l": "x"}'}}
    server = Server(sse(chunk({"tool_calls": [first]}), chunk({"tool_calls": [second]}, reason="tool_calls")))
    (finish,) = generate(driver(server), Prompt(messages=CHAT.messages, tools=[FETCH]))
    (call,) = finish.tool_calls
    assert (call.name, call.arguments, call.id) == ("web.fetch", {"url": "x"}, "c1")
    assert server.body()["tools"][0]["function"]["name"] == "web_fetch"


def test_a_schema_is_a_response_format():
    server, schema = Server(), {"type": "object"}
    generate(driver(server), Prompt(messages=CHAT.messages, schema=schema))
    assert server.body()["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": schema},
    }


@pytest.mark.parametrize(
    ("url", "path"),
    [("http://core", "/v1/models"), ("http://core/v1/", "/v1/models"), ("http://core/api/v3", "/api/v3/models")],
)
def test_v1_is_added_where_the_url_has_no_path(url, path):
    server = Server()
    info(driver(server, url))
    assert server.asked[0].url.path == path


def test_neither_the_users_own_key_nor_organisation_is_sent(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    server = Server()
    generate(driver(server))
    assert not [request for request in server.asked if "secret" in str(request.headers.raw)]
    server = Server()
    generate(driver(server, api_key="sk-own"))
    assert server.asked[-1].headers["authorization"] == "Bearer sk-own"


@pytest.mark.parametrize(
    ("entry", "tokens"),
    [({"max_model_len": 4096}, 4096), ({"meta": {"n_ctx": 512}}, 512), ({}, 8192)],
)
def test_the_context_is_what_the_server_says_or_the_registry(entry, tokens):
    server = Server(models={"object": "list", "data": [{"id": "m", "object": "model", **entry}]})
    assert info(driver(server)).max_total_tokens == tokens
    assert info(driver(server, context_tokens=77)).max_total_tokens == 77


def test_every_error_of_the_package_is_mapped():
    # Not `inspect.getmembers`: to look at the package's lazy parts loads all of it, which takes five seconds.
    classes = [kind for kind in vars(openai).values() if type(kind) is type and issubclass(kind, Exception)]
    assert len(classes) >= 10
    assert all(issubclass(kind, KNOWN) for kind in classes)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"error": {"message": "slow down"}}, EngineOverloaded),
        (429, {"error": {"message": "no money", "code": "insufficient_quota"}}, Misconfigured),
        (400, {"error": {"message": "context_length_exceeded"}}, EngineRefused),
        (422, {"error": {"message": "bad"}}, EngineRefused),
        (401, {"error": {"message": "bad key"}}, Misconfigured),
        (403, {"error": {"message": "not you"}}, Misconfigured),
        (404, {"error": {"message": "no model"}}, Misconfigured),
        (500, {"error": {"message": "oops"}}, EngineFailed),
        (503, {"error": {"message": "starting"}}, EngineFailed),
        (529, {"error": {"message": "overloaded"}}, EngineFailed),
    ],
)
def test_each_status_becomes_the_error_whose_class_decides_about_the_retry(status, body, kind):
    server = Server(body, status=status)
    with pytest.raises(kind):
        generate(driver(server))
    posts = [request for request in server.asked if request.method == "POST"]
    assert len(posts) == 1, "the package must not retry by itself"


def test_retry_after_is_kept():
    with pytest.raises(EngineOverloaded) as caught:
        generate(driver(Server({"error": {"message": "x"}}, status=429, headers={"retry-after": "7"})))
    assert caught.value.args == ("core", 7.0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx2.ConnectError("refused"), EngineUnreachable),
        (httpx2.ConnectTimeout("slow"), EngineUnreachable),
        (httpx2.ReadTimeout("silence"), EngineTimeout),
        (httpx2.RemoteProtocolError("cut"), EngineFailed),
    ],
)
def test_a_broken_connection_is_told_from_one_that_never_was(error, kind):
    with pytest.raises(kind):
        generate(driver(Server(error)))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (sse(chunk({"content": "a"}), done=False), EngineFailed),
        (sse(chunk({"content": "a"}), {"error": {"message": "Model is overloaded"}}), EngineOverloaded),
        (sse({"error": {"message": "busy", "code": 429}}), EngineOverloaded),
        (sse({"error": {"message": "CUDA out of memory"}}), EngineFailed),
        (sse(chunk({"content": "a"}, reason="content_filter")), EngineRefused),
        (b"data: no json\n\n", EngineFailed),
    ],
)
def test_what_goes_wrong_in_a_stream(answer, kind):
    with pytest.raises(kind):
        generate(driver(Server(answer)))


def test_silence_between_two_pieces_ends_the_call():
    class Slow(httpx2.AsyncByteStream):
        async def __aiter__(self):
            yield sse(chunk({"content": "a"}), done=False)
            for _ in range(100):
                yield b": still here\n\n"
                await asyncio.sleep(0.02)

    def answer(request):
        if request.method == "GET":
            return httpx2.Response(200, json=MODELS)
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Slow())

    with pytest.raises(EngineTimeout):
        generate(driver(answer, token_seconds=0.1))


def test_nothing_is_sent_for_a_claim_that_is_gone():
    server = Server()
    with pytest.raises(Ignored):
        generate(driver(server), Prompt(messages=CHAT.messages, valid=lambda: False))
    assert server.asked == []


def test_our_own_errors_pass():
    with pytest.raises(EngineRefused), translated("core", seconds=1.0):
        raise EngineRefused("core", "x", "y")
