"""The driver against a transport in memory: what it sends, and what it makes of answers that no engine of ours gives."""

import asyncio
import json

import httpx2
import pytest

from aios.errors import EngineFailed, EngineRefused, EngineTimeout, Misconfigured, UnknownModel
from aios.kernel.chat import Sampling, ToolSpec
from aios.kernel.ports import Finish, Prompt
from aios.llm.tgi import TGIDriver, native_sampling, sampled
from aios.settings import LLMSettings

CLOCK = ToolSpec("clock", "The time.", {"type": "object", "properties": {}})
INFO = {"model_id": "m/own", "max_total_tokens": 100, "max_concurrent_requests": 4}


def sse(*frames, done=False):
    lines = [b"data: " + json.dumps(f, ensure_ascii=False).encode() + b"\n\n" for f in frames]
    return b"".join([*lines, b"data: [DONE]\n\n" if done else b""])


def frame(index, text, *, last=None):
    details = last and {"finish_reason": "length", "generated_tokens": index, "input_length": 3, "seed": None}
    token = {"id": index, "text": text, "logprob": -1.0, "special": False}
    return {"index": index, "token": token, "generated_text": last, "details": details}


class Bytes(httpx2.AsyncByteStream):
    """A body that comes in pieces; a number is a pause."""

    def __init__(self, *pieces):
        self.pieces = pieces

    async def __aiter__(self):
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                await asyncio.sleep(piece)


class Server:
    """Answers by path and keeps what was asked."""

    def __init__(self, **answers):
        self.answers = {"/info": INFO, **{"/" + path.replace("__", "/"): answer for path, answer in answers.items()}}
        self.asked = []

    def __call__(self, request):
        self.asked.append(request)
        answer = self.answers[request.url.path]
        if isinstance(answer, httpx2.Response):
            return answer
        if isinstance(answer, bytes):
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Bytes(answer))
        return httpx2.Response(200, json=answer)

    def body(self, number=-1):
        return json.loads(self.asked[number].content)


def driver(server, **settings):
    return TGIDriver(url="http://core", settings=LLMSettings(**settings), transport=httpx2.MockTransport(server))


def generate(core, prompt):
    async def run():
        try:
            return [item async for item in core.generate(prompt)]
        finally:
            await core.aclose()

    return asyncio.run(run())


COMPLETE = Prompt(text="hi", sampling=Sampling(max_tokens=2))
CHAT = Prompt(messages=[{"role": "user", "content": "hi"}], tools=[CLOCK], sampling=Sampling(max_tokens=2))
ANSWER = sse(frame(1, "a"), frame(2, "b", last="ab"))


def test_a_completion_asks_the_native_route_for_a_stream_without_the_prompt():
    server = Server(generate_stream=ANSWER)
    *tokens, finish = generate(driver(server), COMPLETE)
    assert [(t.index, t.id, t.text) for t in tokens] == [(1, 1, "a"), (2, 2, "b")]
    assert (finish.text, finish.reason, finish.token_ids) == ("ab", "length", (1, 2))
    assert server.body()["inputs"] == "hi"
    parameters = server.body()["parameters"]
    assert parameters == {"details": True, "do_sample": False, "max_new_tokens": 2, "return_full_text": False}


def test_a_chat_asks_for_its_exact_prompt_first():
    server = Server(chat_tokenize={"templated_text": "<hi>", "tokenize_response": [{}] * 9}, generate_stream=ANSWER)
    generate(driver(server), Prompt(messages=[{"role": "user", "content": "hi"}], trace={"x-aios-syscall": "7"}))
    assert server.body()["inputs"] == "<hi>"
    assert server.body()["parameters"]["max_new_tokens"] == 100 - 9 - 4
    assert server.asked[-1].headers["x-aios-syscall"] == "7"


def test_a_completion_that_may_not_fit_is_counted_by_the_engines_own_tokenizer():
    server = Server(tokenize=[{}] * 60, generate_stream=ANSWER)
    generate(driver(server, max_tokens=50), Prompt(text="long " * 20))
    assert server.body()["parameters"]["max_new_tokens"] == 36


def test_a_schema_is_sent_as_a_grammar_that_the_client_does_not_thin_out():
    server = Server(generate_stream=ANSWER)
    schema = {"anyOf": [{"const": None}, {"type": "integer"}]}
    generate(driver(server), Prompt(text="x", schema=schema, sampling=Sampling(max_tokens=2)))
    assert server.body()["parameters"]["grammar"] == {
        "type": "json",
        "value": {"anyOf": [{"type": "null"}, {"type": "integer"}]},
    }


def test_the_users_own_hub_token_never_reaches_an_engine(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    server = Server(generate_stream=ANSWER)
    generate(driver(server), COMPLETE)
    assert "authorization" not in server.asked[-1].headers
    generate(driver(server, api_key="key"), COMPLETE)
    assert server.asked[-1].headers["authorization"] == "Bearer key"


def test_a_line_separator_inside_a_token_does_not_end_the_line():
    text = "\u2028\u2029\x85\x0b\x1c"
    assert generate(driver(Server(generate_stream=sse(frame(1, text, last=text)))), COMPLETE)[-1].text == text


def test_frames_cut_anywhere_keep_alives_and_the_older_spelling_are_read():
    body = b": \n\n" + ANSWER.replace(b"data: ", b"data:")
    pieces = [body[i : i + 1] for i in range(len(body))]
    server = Server(generate_stream=httpx2.Response(200, stream=Bytes(*pieces)))
    assert generate(driver(server), COMPLETE)[-1].text == "ab"


def test_keep_alives_alone_are_no_sign_of_life():
    alive = [x for _ in range(10) for x in (b": \n\n", 0.05)]
    server = Server(generate_stream=httpx2.Response(200, stream=Bytes(sse(frame(1, "a")), *alive)))
    with pytest.raises(EngineTimeout):
        generate(driver(server, token_seconds=0.2), COMPLETE)


def test_a_stream_without_its_last_frame_failed():
    with pytest.raises(EngineFailed, match="broke off after 1 token"):
        generate(driver(Server(generate_stream=sse(frame(1, "a")))), COMPLETE)


def test_nonsense_in_a_stream_is_the_engines_fault():
    for body in (b"data: {]\n\n", b'data: {"index": 1}\n\n', b"data: 3\n\n"):
        with pytest.raises(EngineFailed):
            generate(driver(Server(generate_stream=body)), COMPLETE)


def test_an_error_without_json_is_told_in_its_own_words():
    server = Server(generate_stream=httpx2.Response(422, stream=Bytes(b"Failed to deserialize")))
    with pytest.raises(EngineRefused, match="Failed to deserialize"):
        generate(driver(server), COMPLETE)


def test_a_wrong_key_is_a_matter_for_the_operator():
    with pytest.raises(Misconfigured, match="API_KEY"):
        generate(driver(Server(generate_stream=httpx2.Response(401))), COMPLETE)


def test_another_models_name_is_a_mistake_found_before_the_engine_is_asked():
    server = Server(generate_stream=ANSWER)
    with pytest.raises(UnknownModel, match="m/own"):
        generate(driver(server), Prompt(text="x", model="m/owm"))
    assert generate(driver(server), Prompt(text="x", model="m/own", sampling=Sampling(max_tokens=2)))[-1].text == "ab"


def chunk(content=None, *, calls=None, reason=None):
    return {
        "choices": [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": content, "tool_calls": calls},
                "finish_reason": reason,
            }
        ]
    }


def test_native_tools_keep_text_and_calls():
    call = [{"index": 0, "id": "0", "type": "function", "function": {"name": "clock", "arguments": "{}"}}]
    usage = {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}}
    server = Server(
        v1__chat__completions=sse(chunk("Let me see."), chunk(calls=call), chunk(reason="stop"), usage, done=True)
    )
    token, finish = generate(driver(server, tools="native"), CHAT)
    assert (token.text, token.id) == ("Let me see.", -1)
    assert (finish.text, finish.tool_calls[0].name, finish.usage.total) == ("Let me see.", "clock", 6)
    assert server.body()["tools"][0]["function"]["name"] == "clock"


def test_a_chat_stream_without_its_end_failed():
    server = Server(v1__chat__completions=sse(chunk("Let me")))
    with pytest.raises(EngineFailed):
        generate(driver(server, tools="native"), CHAT)


def test_constrained_tools_are_asked_for_as_a_text_with_a_grammar():
    said = '{"name": "clock", "arguments": {}}'
    server = Server(generate_stream=sse(frame(1, said, last=said)))
    finish = generate(driver(server), CHAT)[-1]
    assert isinstance(finish, Finish)
    assert (finish.text, finish.tool_calls[0].name) == ("", "clock")
    assert server.body()["inputs"].endswith("Request: hi\nCall:")
    assert server.body()["parameters"]["grammar"]["type"] == "json"


@pytest.mark.parametrize(
    ("sampling", "parameters"),
    [
        (Sampling(), {"do_sample": False}),
        (Sampling(temperature=0.0, top_p=0.5, top_k=3), {"do_sample": False}),
        (Sampling(temperature=0.7, top_p=1.0), {"do_sample": True, "temperature": 0.7}),
        (Sampling(top_p=0.5), {"do_sample": True, "top_p": 0.5}),
        (Sampling(seed=3, stop=("x",)), {"do_sample": False, "seed": 3, "stop": ["x"]}),
    ],
)
def test_sampling_stays_within_tgis_bounds(sampling, parameters):
    assert sampled(sampling) == parameters


def test_the_chat_route_gets_what_it_knows():
    assert native_sampling(Sampling(top_p=1.0, top_k=4), default_tokens=9) == {"max_tokens": 9}
