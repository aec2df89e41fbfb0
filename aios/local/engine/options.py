"""The engine's command line."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of `python -m aios.local.engine`."""
    parser = argparse.ArgumentParser(prog="aios.local.engine", description=__doc__)
    _server(parser)
    _model(parser)
    _made_up(parser)
    return parser.parse_args(arguments)


def _server(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--backend", choices=["llama", "scripted", "simulated"], default="llama")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0, help="0: any free one; the address is the first line of standard output")
    add("--max-concurrent-requests", type=int, default=128, help="more are refused at once")
    add("--max-input-tokens", type=int, default=None, help="longest prompt; default: --context less one")
    add("--payload-limit", type=int, default=2_000_000, help="longest request body, bytes")
    add("--api-key", default=os.environ.get("AIOS_ENGINE_API_KEY", ""), help="or AIOS_ENGINE_API_KEY")
    add("--log", type=Path, default=None, help="append one JSON line per start and end of a call to this file")


def _model(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model-path", type=Path, default=None, help="a GGUF file; default: the small model of the local extra")
    add("--slots", type=int, default=4, help="sequences decoded together")
    add("--context", type=int, default=2048, help="tokens of prompt and answer together, per slot")
    add("--data-dir", type=Path, default=None, help="where the backend keeps files, KV states among them")
    add("--state-megabytes", type=int, default=4096, help="KV states on disk at most; 0: none are kept")
    add(
        "--state-seconds",
        type=float,
        default=3600.0,
        help="a KV state that nobody came back for is deleted after so long",
    )


def _made_up(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--script", type=Path, default=None, help="scripted: a JSON file, as for POST /script")
    add("--seed", type=int, default=0, help="simulated: another seed, other answers")
    add("--answer-tokens", type=int, default=0, help="simulated: length of an answer; 0: max_new_tokens")
    add("--zero-latency", action="store_true", help="simulated: no waiting at all")
    add("--prefill-tokens-per-second", type=float, default=20_000.0, help="simulated")
    add("--step-ms", type=float, default=2.0, help="simulated: one decode step")
    add("--step-per-sequence-ms", type=float, default=0.1, help="simulated: per sequence, added to a step")
    add("--latency-ms", type=float, default=0.0, help="scripted: before the first token of every answer")
    add("--token-ms", type=float, default=0.0, help="scripted: between two tokens")
