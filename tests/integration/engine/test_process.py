"""The engine as a process: how it starts, and how it ends."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from aios.local.engine.llama_server import packaged_model

from .conftest import engine


def start(*arguments):
    command = [sys.executable, "-m", "aios.local.engine", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_a_port_in_use_is_one_clear_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = start("--backend", "simulated", "--port", str(port))
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert str(port) in ended.stderr
    assert "--port" in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--backend", "llama", "--model-path", "/nowhere.gguf"), ("--backend", "scripted", "--script", "/nowhere")],
)
def test_a_missing_file_is_one_clear_line(arguments):
    ended = start(*arguments)
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "/nowhere" in ended.stderr


def test_a_model_of_which_a_part_is_missing_ends_with_one_clear_line(tmp_path):
    model = tmp_path / "model.gguf"
    with packaged_model().open("rb") as whole:
        model.write_bytes(whole.read(5_000_000))
    ended = start("--backend", "llama", "--model-path", str(model))
    assert ended.returncode == 1
    *before, last = ended.stderr.splitlines()
    assert not [line for line in before if "Traceback" in line or "File " in line]  # llama.cpp may have said something
    assert last.startswith(f"aios engine: llama.cpp cannot load {model} ")
    assert last.endswith("; name a whole GGUF file by --model-path or AIOS_ENGINE_MODEL")


def test_a_stop_does_not_wait_for_ever_for_open_calls(tmp_path):
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"rules": [{"hang": True}]}))

    def hang(url):
        with pytest.raises(httpx.HTTPError):
            httpx.post(url, json={"inputs": "x"}, timeout=20).raise_for_status()

    with engine(tmp_path, "--backend", "scripted", "--script", str(script)) as running:
        hanging = threading.Thread(target=hang, args=(running.url + "/generate",))
        hanging.start()
        while not running.calls():
            time.sleep(0.01)
        started = time.monotonic()
        running.process.terminate()
        running.process.wait(10)
        hanging.join()
    assert time.monotonic() - started < 5


def test_a_restart_on_the_same_port_works_at_once(tmp_path):
    with engine(tmp_path, "--backend", "scripted") as running:
        running.generate("x")
        port = running.url.rsplit(":", 1)[1]
        running.process.kill()
        running.process.wait()
        with engine(tmp_path, "--backend", "scripted", "--port", port) as again:
            assert again.generate("y").status_code == 200
            assert len({line["pid"] for line in again.calls()}) == 2
