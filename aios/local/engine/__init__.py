"""The local engine: a TGI-compatible HTTP server, started as `python -m aios.local.engine`.

One router (TGI's routes, bounds, errors, admission) in front of one of three backends: `llama` (a real model),
`scripted` (answers and faults by schedule) and `simulated` (a timing model). A request meets the files in this order:
`app` (routes), `bodies` (shapes), `native`, `chat` or `completions` (dialects), `answer` and `exchange` (admission, log,
end), `validation` (bounds), `generation` (when it stops), the backend, `frames` and `stream` (the way back).

Where it differs from TGI, on purpose:

- `prefill` holds ids and texts, but no log probabilities; nor have generated tokens that end inside a character.
- `response_format` is also read in OpenAI's shape; `tools` also by OpenAI's `parameters`.
- Grammars: `llama` refuses (422) what llama.cpp cannot keep to; without a model regular expressions are refused.
- `watermark`, `adapter_id`, images, `/invocations` and `/vertex` are not there; `typical_p` is llama.cpp's own.
- An engine without a model answers `/tokenize` by a tokenizer of its own (about three characters a token).
- A request for several completions takes one permit, not one per prompt.
- `/aios/slice` (`slicing`, `slots`, `states`) saves and restores KV states; `/info` says so under `aios`.
- `router` in `/info` is `aios-engine`; a scripted engine has `/script` besides.
"""
