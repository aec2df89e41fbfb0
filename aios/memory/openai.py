"""`openai`: embeddings from any server that speaks OpenAI's `/v1/embeddings` (vLLM, TEI, Ollama, llama.cpp, hosted ones)."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Final

import httpx

from aios.errors import EmbedderUnavailable, Misconfigured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.kernel.values import Json, JsonObject

_BATCH: Final = 64
_LONGEST: Final = 20_000  # characters; servers cut or refuse what is beyond their window
_MOST_DIMENSIONS: Final = 4_000  # that pgvector can index
_REMEDY: Final = "mend AIOS_MEMORY__EMBEDDINGS_URL, _MODEL, _KEY_ENV or _DIMENSIONS"
_TRANSIENT: Final = frozenset({408, 409, 425, 429})


class OpenAIEmbedder:
    """Implements the kernel's `Embedder`. Its name has the model's and the length of its vectors in it."""

    def __init__(self, url: str, *, model: str, key: str = "", dimensions: int = 0, seconds: float = 30.0) -> None:
        """Nothing is asked yet.

        Args:
            url: of the API, `/v1` included.
            model: the model to ask for.
            key: bearer token.
            dimensions: length of the vectors to ask for; 0: the model's own, found out by asking once.
            seconds: time for an answer.

        Raises:
            Misconfigured: the URL or the model is missing.
        """
        if not url or not model:
            raise Misconfigured("the embedder `openai` needs a URL and a model", _REMEDY)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(headers=headers, timeout=seconds)
        self._url = f"{url.rstrip('/')}/embeddings"
        self._model = model
        self._asked = dimensions
        self._found = dimensions
        self._lock = threading.Lock()

    @property
    def dimensions(self) -> int:
        """Length of its vectors.

        Raises:
            EmbedderUnavailable: it has to be asked, and does not answer.
        """
        with self._lock:
            if not self._found:
                self._found = len(self._ask(["dimensions"])[0])
            return self._found

    @property
    def name(self) -> str:
        """Whose vectors they are: the model's, at this length."""
        return f"openai:{self._model}:{self.dimensions}"

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One unit vector per text.

        Raises:
            EmbedderUnavailable: the server does not answer, or has too much to do.
            Misconfigured: it refuses, or answers what is no embedding.
        """
        length = self.dimensions
        vectors = [
            vector
            for start in range(0, len(texts), _BATCH)
            for vector in self._ask([text[:_LONGEST] or " " for text in texts[start : start + _BATCH]])
        ]
        wrong = next((len(vector) for vector in vectors if len(vector) != length), None)
        if wrong is not None:
            raise Misconfigured(f"{self._url} gave a vector of {wrong} dimensions, not {length}", _REMEDY)
        return vectors

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self, texts: Sequence[str]) -> list[list[float]]:
        body: JsonObject = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        if self._asked:
            body["dimensions"] = self._asked
        try:
            response = self._http.post(self._url, json=body)
        except httpx.HTTPError as error:
            raise EmbedderUnavailable(self._url, str(error) or type(error).__name__) from error
        if response.status_code in _TRANSIENT or response.is_server_error:
            raise EmbedderUnavailable(self._url, f"HTTP {response.status_code}")
        if not response.is_success:
            raise Misconfigured(f"{self._url} refuses: HTTP {response.status_code} {response.text[:200]}", _REMEDY)
        return self._vectors(response, len(texts))

    def _vectors(self, response: httpx.Response, count: int) -> list[list[float]]:
        try:
            listed = sorted(response.json()["data"], key=lambda entry: int(entry["index"]))
            vectors = [_unit(entry["embedding"]) for entry in listed]
        except (ValueError, KeyError, TypeError) as error:
            raise Misconfigured(f"{self._url} answered what is no list of embeddings ({error})", _REMEDY) from error
        if len(vectors) != count or any(not 0 < len(vector) <= _MOST_DIMENSIONS for vector in vectors):
            lengths = sorted({len(vector) for vector in vectors})
            raise Misconfigured(
                f"{self._url} gave {len(vectors)} vectors of {lengths} dimensions for {count} texts;"
                f" 1 to {_MOST_DIMENSIONS} dimensions can be kept",
                _REMEDY,
            )
        return vectors


def _unit(values: Json) -> list[float]:
    vector = [float(value) for value in values]
    length = math.hypot(*vector)
    if not math.isfinite(length) or length == 0:
        raise ValueError("a vector has no direction")
    return [value / length for value in vector]
