"""The pool `llm`. Model calls."""

from aios.kernel.words import Pool
from tasks.application import serve

serve(
    Pool.LLM,
    chat="Answer a conversation.",
    complete="Continue a text.",
)
