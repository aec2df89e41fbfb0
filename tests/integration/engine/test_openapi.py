"""Every answer against the schemas of TGI's own OpenAPI document, with the known differences as a list."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from .conftest import Running, events

REFERENCE = Path(os.environ.get("AIOS_REFERENCE_DIR", Path(__file__).parents[3].parent / "shared" / "reference"))
DOCUMENT = REFERENCE / "tgi-openapi.json"

# Where TGI's server does not do what its document says, the engine does what the server does.
DEVIATIONS = {
    "/v1/models": "the document has one ModelInfo, the server answers with a list of them",
    "/generate_stream errors": "the document gives statuses, the server answers 200 and one error frame",
    "/v1 stream errors": "the document gives statuses, the server answers 200 and {error: {message, http_status_code}}",
    "usage chunk": "the document's chunks are final too; the server's have no choices and come before [DONE]",
    "plain-text rejections": "the document has ErrorResponse for 422, a body that cannot be read gets plain text",
    "/chat_tokenize, /tokenize": "the document knows a 404, the server has none",
}

CHAT = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 6}
TOOL = {
    "type": "function",
    "function": {"name": "f", "parameters": {"properties": {"a": {"type": "integer"}}, "required": ["a"]}},
}


@pytest.fixture(scope="session")
def document() -> dict[str, object]:
    if not DOCUMENT.exists():
        pytest.skip(f"TGI's OpenAPI document is not at {DOCUMENT}; set AIOS_REFERENCE_DIR")
    return modern(json.loads(DOCUMENT.read_text()))


def modern(value):
    """OpenAPI 3.0's schema dialect as JSON Schema 2020-12: `nullable` becomes an alternative."""
    if isinstance(value, list):
        return [modern(part) for part in value]
    if not isinstance(value, dict):
        return value
    copy = {key: modern(part) for key, part in value.items() if key != "nullable"}
    return {"anyOf": [copy, {"type": "null"}]} if value.get("nullable") is True else copy


def check(document, name, value):
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    Draft202012Validator(schema).validate(value)


def test_the_check_would_notice(document):
    with pytest.raises(ValidationError):
        check(
            document, "StreamResponse", {"index": 1, "token": {"id": -1, "text": "", "logprob": None, "special": False}}
        )
    with pytest.raises(ValidationError):
        check(document, "ChatCompletionChunk", {"id": "", "created": 0, "model": "", "choices": []})


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"details": True, "max_new_tokens": 4},
        {"details": True, "decoder_input_details": True, "top_n_tokens": 2, "max_new_tokens": 4},
        {"details": True, "best_of": 2, "do_sample": True, "max_new_tokens": 4},
        {"details": True, "stop": ["o"], "seed": 7, "do_sample": True, "max_new_tokens": 6},
    ],
)
def test_native_answers(document, made_up, parameters):
    body = {"inputs": "hello", "parameters": parameters}
    check(document, "GenerateResponse", made_up.http.post("/generate", json=body).json())
    for answer in made_up.http.post("/", json=body).json():
        check(document, "GenerateResponse", answer)
    if not {"best_of", "decoder_input_details"} & parameters.keys():
        for frame in made_up.stream("hello", **parameters):
            check(document, "StreamResponse", frame)


@pytest.mark.parametrize(
    "more",
    [{}, {"logprobs": True, "top_logprobs": 2}, {"tools": [TOOL]}, {"tools": [TOOL], "tool_choice": "required"}],
)
def test_chat_answers(document, made_up, more):
    body = {**CHAT, **more, "max_tokens": 60}
    check(document, "ChatCompletion", made_up.http.post("/v1/chat/completions", json=body).json())
    streamed = made_up.http.post("/v1/chat/completions", json={**body, "stream": True}).text
    for chunk in events(streamed):
        check(document, "ChatCompletionChunk", chunk)


def test_completion_answers(document, made_up):
    body = {"prompt": ["a", "b"], "max_tokens": 4}
    check(document, "CompletionFinal", made_up.http.post("/v1/completions", json=body).json())
    for chunk in events(made_up.http.post("/v1/completions", json={**body, "stream": True}).text):
        check(document, "Completion", chunk)


def test_descriptions(document, made_up):
    check(document, "Info", made_up.http.get("/info").json())
    check(document, "TokenizeResponse", made_up.http.post("/tokenize", json={"inputs": "hé llo"}).json())
    check(document, "ChatTokenizeResponse", made_up.http.post("/chat_tokenize", json=CHAT).json())
    for listed in made_up.http.get("/v1/models").json()["data"]:
        check(document, "ModelInfo", listed)


def test_errors(document, scripted):
    for status in (422, 424, 429, 500):
        scripted.script(rules=[{"status": status}])
        check(document, "ErrorResponse", scripted.generate("x").json())
        check(document, "ErrorResponse", scripted.stream("x")[0])
        check(document, "ErrorResponse", scripted.http.post("/v1/chat/completions", json=CHAT).json())
    scripted.script(healthy=False)
    check(document, "ErrorResponse", scripted.http.get("/health").json())


def test_answers_of_a_real_model(document, llama: Running):
    parameters = {"details": True, "decoder_input_details": True, "top_n_tokens": 2, "max_new_tokens": 8}
    check(document, "GenerateResponse", llama.generate("Repeat: \N{WOMAN}\N{WOMAN}\N{WOMAN}", **parameters).json())
    for frame in llama.stream("Hello", details=True, top_n_tokens=2, max_new_tokens=4):
        check(document, "StreamResponse", frame)
    check(document, "ChatCompletion", llama.http.post("/v1/chat/completions", json=CHAT).json())
    for chunk in events(llama.http.post("/v1/chat/completions", json={**CHAT, "stream": True}).text):
        check(document, "ChatCompletionChunk", chunk)


def test_the_documents_routes_are_all_there(document, made_up):
    """All but the one for a cloud's own endpoint protocol."""
    for path, methods in document["paths"].items():
        for method in methods:
            answer = made_up.http.request(method, path, json={})
            assert (answer.status_code == 404) == (path == "/invocations"), path
