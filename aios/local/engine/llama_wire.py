"""The shapes of llama.cpp's server: a call as its request, its events as tokens."""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Final, NotRequired, TypedDict

from aios.local.engine.call import Token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.local.engine.call import Call, Grammar
    from aios.local.engine.gguf import Vocabulary

# The seed 2^32 - 1 means "any" to llama.cpp.
_SEEDS = (1 << 32) - 1
# Room for the rest of a character: tokens that end inside of one are sent only with the token that ends it.
_SPARE_TOKENS = 3
UNKNOWN: Final = -1
"""Stands for the id of a token that llama.cpp did not tell."""

_LONGEST_CHARACTER = 4  # tokens that one character can take

# As TGI's grammars: at most one space between the parts of JSON, or a small model writes spaces without an end.
_JSON_STYLE = {"x-guidance": {"whitespace_pattern": " ?"}}

# Where these stand, further properties come from elsewhere.
_OPENERS = {"additionalProperties", "patternProperties", "unevaluatedProperties", "allOf", "anyOf", "oneOf", "$ref"}


class Likely(TypedDict):
    """A candidate for a token."""

    id: int
    token: str
    bytes: list[int]
    logprob: float


class Probability(Likely):
    """A token with its rivals."""

    top_logprobs: list[Likely]


class Event(TypedDict):
    """One event of `/completion`."""

    content: str
    tokens: list[int]
    stop: bool
    tokens_predicted: int
    stop_type: NotRequired[str]
    completion_probabilities: NotRequired[list[Probability]]
    prompt_progress: NotRequired[object]
    error: NotRequired[dict[str, object]]


def request(call: Call, *, slot: int) -> dict[str, object]:
    """The body for `/completion`. Values that llama.cpp would choose by itself are set to TGI's.

    A slice ends exactly where it should: tokens beyond it would stand in its state.
    """
    sampling, part = call.sampling, call.part
    prompt = [*call.prompt.ids, *(part.generated if part else ())]
    body: dict[str, object] = {
        "prompt": prompt,
        "id_slot": slot,
        "n_predict": call.max_new_tokens + (0 if part else _SPARE_TOKENS),
        "stream": True,
        "return_tokens": True,
        "cache_prompt": part is None or part.state is not None,
        "n_probs": max(1, call.top_n),
        "temperature": 0.0 if sampling.greedy else sampling.temperature or 1.0,
        "top_k": sampling.top_k or 0,
        "top_p": sampling.top_p or 1.0,
        "typical_p": sampling.typical_p or 1.0,
        "min_p": 0.0,
        "repeat_penalty": sampling.repetition_penalty or 1.0,
        "repeat_last_n": len(prompt) + call.max_new_tokens,  # TGI looks back over everything
        "frequency_penalty": sampling.frequency_penalty or 0.0,
        "seed": sampling.seed % _SEEDS,
    }
    if call.grammar is not None:
        body["grammar"] = "%llguidance {}\nstart: " + rule(call.grammar)
    return body


def rule(grammar: Grammar) -> str:
    """A grammar as the right side of a rule in llguidance's notation."""
    if grammar.kind == "json":
        return "%json " + json.dumps(closed(json.loads(grammar.source)) | _JSON_STYLE)
    return "/" + grammar.source.replace("/", "\\/").replace("\n", "\\n") + "/"


def closed(schema: dict[str, object]) -> dict[str, object]:
    """A schema whose objects have the properties that it names and no others, unless it says more about them.

    TGI's grammars read a schema so; left open, a small model goes on inventing properties. What fits the closed schema fits
    the open one.
    """
    copy = {key: _closed_part(key, value) for key, value in schema.items()}
    if "properties" in schema and not _OPENERS & schema.keys():
        copy["additionalProperties"] = False
    return copy


def _closed_part(key: str, value: object) -> object:
    if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
        return {name: closed(part) if isinstance(part, dict) else part for name, part in value.items()}
    if key in ("anyOf", "oneOf", "prefixItems") and isinstance(value, list):
        return [closed(part) if isinstance(part, dict) else part for part in value]
    if key == "items" and isinstance(value, dict):
        return closed(value)
    return value


def tokens(event: Event, *, sent: int, vocabulary: Vocabulary) -> list[Token]:
    """The tokens of an event, of which `sent` came before.

    An event may stand for several tokens: those that end inside a character have no event of their own. Their ids follow
    from the bytes; their probability is not known.
    """
    found: list[Token] = []
    for probability in event.get("completion_probabilities", []):
        token_id = probability["id"]
        special = token_id in vocabulary.control
        text = vocabulary.text(token_id) if special else event["content"]
        top = tuple(Token(rival["id"], rival["token"], rival["logprob"]) for rival in probability["top_logprobs"])
        found += _withheld(event, token_id, missing=event["tokens_predicted"] - sent - 1, vocabulary=vocabulary)
        found.append(Token(token_id, text, probability["logprob"], special=special, top=top))
    return found


class Speller:
    """Spells the tokens of a slice by their bytes: a slice may begin inside a character, which llama.cpp cannot tell."""

    def __init__(self, vocabulary: Vocabulary, before: Sequence[int]) -> None:
        """Begin behind these tokens."""
        self._vocabulary = vocabulary
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for token_id in before[-_LONGEST_CHARACTER:]:
            self._text(token_id)

    def spelt(self, tokens: Sequence[Token], event: Event, *, sent: int) -> list[Token]:
        """The tokens of an event with their texts; those at the end of a slice whose ids it does not tell are unknown."""
        found = [token if token.special else token._replace(text=self._text(token.id)) for token in tokens]
        missing = event["tokens_predicted"] - sent - len(tokens) if event["stop"] else 0
        return found + [Token(UNKNOWN, "", None)] * missing

    def _text(self, token_id: int) -> str:
        if token_id in self._vocabulary.control:
            return ""
        return self._decoder.decode(self._vocabulary.pieces[token_id])


def _withheld(event: Event, last: int, *, missing: int, vocabulary: Vocabulary) -> list[Token]:
    if missing <= 0:
        return []
    before = event["content"].encode().removesuffix(vocabulary.pieces[last])
    ids = vocabulary.spell(before, tokens=missing) or []
    return [Token(token_id, "", None) for token_id in ids]
