"""From a request body to a `Call`: TGI's bounds, in TGI's order and with its texts."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, NamedTuple

from aios.local.engine.call import Call, Grammar, Sampling
from aios.local.engine.refusal import invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aios.local.engine.backend import Backend
    from aios.local.engine.bodies import GrammarBody, Parameters


class Limits(NamedTuple):
    """What `/info` promises."""

    max_total_tokens: int
    max_input_tokens: int
    max_best_of: int = 2
    max_stop_sequences: int = 4
    max_top_n_tokens: int = 5
    max_client_batch_size: int = 4


async def validate(
    inputs: str, parameters: Parameters, *, backend: Backend, limits: Limits, add_special: bool = True
) -> Call:
    """The call that a request describes.

    Raises:
        Refusal: something is out of bounds.
    """
    for problem in _problems(parameters, limits):
        raise invalid(problem)
    if not inputs:
        raise invalid("`inputs` cannot be empty")
    grammar = await _grammar(parameters.grammar, backend=backend)
    prompt = await backend.prompt(inputs, add_special=add_special, truncate=parameters.truncate)
    return Call(
        prompt=prompt,
        max_new_tokens=_room(parameters.max_new_tokens, used=prompt.tokens, limits=limits),
        stop=tuple(parameters.stop),
        sampling=_sampling(parameters),
        grammar=grammar,
        top_n=parameters.top_n_tokens or 0,
    )


def refuse_for_stream(parameters: Parameters) -> None:
    """Refuse what a stream cannot carry.

    Raises:
        Refusal: `best_of` or `decoder_input_details` is asked for.
    """
    if (parameters.best_of or 1) != 1:
        raise invalid("`best_of` != 1 is not supported when streaming tokens")
    if parameters.decoder_input_details:
        raise invalid("`decoder_input_details` == true is not supported when streaming tokens")


def _problems(p: Parameters, limits: Limits) -> Iterator[str]:
    yield from _best_of_problems(p, limits)
    yield from _sampling_problems(p)
    if p.max_new_tokens == 0:
        yield "`max_new_tokens` must be strictly positive"
    if len(p.stop) > limits.max_stop_sequences:
        yield f"`stop` supports up to {limits.max_stop_sequences} stop sequences. Given: {len(p.stop)}"
    if (p.top_n_tokens or 0) > limits.max_top_n_tokens:
        yield f"`top_n_tokens` must be >= 0 and <= {limits.max_top_n_tokens}. Given: {p.top_n_tokens}"
    if p.truncate is not None and not 0 < p.truncate <= limits.max_input_tokens:
        yield f"`truncate` must be strictly positive and less than {limits.max_input_tokens}. Given: {p.truncate}"


def _best_of_problems(p: Parameters, limits: Limits) -> Iterator[str]:
    best_of = 1 if p.best_of is None else p.best_of
    if not 0 < best_of <= limits.max_best_of:
        yield f"`best_of` must be > 0 and <= {limits.max_best_of}. Given: {best_of}"
    if best_of > 1 and not _sampled(p):
        yield "you must use sampling when `best_of` is > 1"
    if best_of > 1 and p.seed is not None:
        yield "`seed` must not be set when `best_of` > 1"


def _sampling_problems(p: Parameters) -> Iterator[str]:
    if p.temperature is not None and p.temperature <= 0:
        yield "`temperature` must be strictly positive"
    if p.repetition_penalty is not None and p.repetition_penalty <= 0:
        yield "`repetition_penalty` must be strictly positive"
    if p.frequency_penalty is not None and not -2 <= p.frequency_penalty <= 2:  # noqa: PLR2004  # TGI's bounds
        yield "`frequency_penalty` must be >= -2.0 and <= 2.0"
    for name, share in (("top_p", p.top_p), ("typical_p", p.typical_p)):
        if share is not None and not 0 < share < 1:
            yield f"`{name}` must be > 0.0 and < 1.0"
    if p.top_k is not None and p.top_k <= 0:
        yield "`top_k` must be strictly positive"


def _sampled(p: Parameters) -> bool:
    given = (p.temperature, p.top_k, p.top_p, p.typical_p)
    return p.do_sample or any(value is not None for value in given)


def _sampling(p: Parameters) -> Sampling:
    return Sampling(
        greedy=not _sampled(p),
        seed=secrets.randbits(64) if p.seed is None else p.seed,
        temperature=p.temperature,
        top_k=p.top_k,
        top_p=p.top_p,
        typical_p=p.typical_p,
        repetition_penalty=p.repetition_penalty,
        frequency_penalty=p.frequency_penalty,
    )


def _room(asked: int | None, *, used: int, limits: Limits) -> int:
    """The new tokens that a call may have.

    Raises:
        Refusal: the prompt, or prompt and answer together, are too long.
    """
    room = limits.max_total_tokens - used if asked is None else asked
    if asked is not None and used + asked > limits.max_total_tokens:
        raise invalid(
            f"`inputs` tokens + `max_new_tokens` must be <= {limits.max_total_tokens}. "
            f"Given: {used} `inputs` tokens and {asked} `max_new_tokens`"
        )
    if used > limits.max_input_tokens:
        raise invalid(f"`inputs` must have less than {limits.max_input_tokens} tokens. Given: {used}")
    return room


async def _grammar(body: GrammarBody | None, *, backend: Backend) -> Grammar | None:
    if body is None:
        return None
    grammar = _read_grammar(body)
    problem = await backend.check_grammar(grammar)
    if problem is not None:
        raise invalid(f"grammar is not valid: {problem}")
    return grammar


def _read_grammar(body: GrammarBody) -> Grammar:
    """TGI's `{type, value}`; OpenAI's `{type: json_schema, json_schema: {schema}}`; a schema may be JSON text."""
    if body.type == "regex":
        if not isinstance(body.value, str):
            raise invalid("grammar is not valid: a regex is a string")
        return Grammar(kind="regex", source=body.value)
    schema = body.value if body.json_schema is None else body.json_schema
    if body.type == "json_schema" and isinstance(schema, dict) and "schema" in schema:
        schema = schema["schema"]
    if isinstance(schema, str):
        schema = _parsed(schema)
    if schema is None and body.type == "json_object":
        schema = {"type": "object"}
    if not isinstance(schema, dict):
        raise invalid("grammar is not valid: a JSON schema is an object")
    return Grammar(kind="json", source=json.dumps(schema, separators=(",", ":"), ensure_ascii=False))


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise invalid(f"grammar is not valid: {error}") from error
