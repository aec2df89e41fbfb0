import pytest


def test_a_stream_and_a_whole_answer_say_the_same(made_up):
    whole = made_up.generate("hello", max_new_tokens=9, details=True).json()
    frames = made_up.stream("hello", max_new_tokens=9, details=True)
    assert [frame["token"] for frame in frames] == whole["details"]["tokens"]
    assert [frame["index"] for frame in frames] == list(range(1, len(frames) + 1))
    assert frames[-1]["generated_text"] == whole["generated_text"]
    assert all(frame["generated_text"] is None and frame["details"] is None for frame in frames[:-1])
    assert frames[-1]["details"]["finish_reason"] == whole["details"]["finish_reason"]


def test_details_come_only_when_asked_for(made_up):
    assert "details" not in made_up.generate("hello", max_new_tokens=3).json()
    assert made_up.stream("hello", max_new_tokens=3)[-1]["details"] is None


def test_the_compatible_route_answers_in_a_list_and_with_the_prompt(made_up):
    body = {"inputs": "hello", "parameters": {"max_new_tokens": 4}}
    (answer,) = made_up.http.post("/", json=body).json()
    assert answer["generated_text"].startswith("hello")
    body["parameters"]["return_full_text"] = False
    (bare,) = made_up.http.post("/", json=body).json()
    assert "hello" + bare["generated_text"] == answer["generated_text"]
    assert made_up.http.post("/", json={**body, "stream": True}).headers["content-type"] == "text/event-stream"


def test_the_headers_of_a_whole_answer_account_for_it(made_up):
    answer = made_up.generate("hello", max_new_tokens=4)
    assert answer.headers["x-generated-tokens"] == "4"
    assert answer.headers["x-prompt-tokens"] == "2"
    names = {"x-total-time", "x-validation-time", "x-queue-time", "x-inference-time", "x-time-per-token"}
    assert names | {"x-compute-time", "x-compute-type", "x-compute-characters"} <= set(answer.headers)


def test_the_headers_of_a_stream_keep_proxies_from_buffering(made_up):
    answer = made_up.http.post("/generate_stream", json={"inputs": "hello"})
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["cache-control"] == "no-cache"
    assert "[DONE]" not in answer.text


def test_best_of_returns_the_others_too(made_up):
    answer = made_up.generate("hello", best_of=2, do_sample=True, details=True, max_new_tokens=3).json()
    (other,) = answer["details"]["best_of_sequences"]
    assert other["seed"] != answer["details"]["seed"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"inputs": "x"', "application/json", 400),
        (b'{"parameters": {}}', "application/json", 422),
        (b'{"inputs": "x", "parameters": {"do_sample": null}}', "application/json", 422),
        (b'{"inputs": "x"}', "text/plain", 415),
        (b'{"inputs": "' + b"x" * 2_000_001 + b'"}', "application/json", 413),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_in_plain_text(made_up, content, kind, status):
    answer = made_up.http.post("/generate", content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_validation_error_has_its_status_whole_and_comes_as_a_frame_in_a_stream(made_up):
    whole = made_up.generate("x", top_p=1.0)
    assert (whole.status_code, whole.json()["error_type"]) == (422, "validation")
    assert made_up.stream("x", top_p=1.0) == [whole.json()]
    assert made_up.stream("x", best_of=2, do_sample=True)[0]["error_type"] == "validation"
    assert made_up.stream("x", decoder_input_details=True)[0]["error_type"] == "validation"


def test_the_info_tells_the_limits(made_up):
    info = made_up.http.get("/info").json()
    assert info["max_total_tokens"] == 2048
    assert info["max_input_tokens"] == 2047
    for path in ("/health", "/ping", "/"):
        assert made_up.http.get(path).status_code == 200


def test_tokenize_and_chat_tokenize_agree_with_the_prompt_count(made_up):
    pieces = made_up.http.post("/tokenize", json={"inputs": "hé llo"}).json()
    assert "".join(piece["text"] for piece in pieces) == "hé llo"
    assert made_up.generate("hé llo", max_new_tokens=1).headers["x-prompt-tokens"] == str(len(pieces))
    chat = {"messages": [{"role": "user", "content": "hi"}]}
    counted = made_up.http.post("/chat_tokenize", json=chat).json()
    usage = made_up.http.post("/v1/chat/completions", json={**chat, "max_tokens": 2}).json()["usage"]
    assert usage["prompt_tokens"] == len(counted["tokenize_response"])
