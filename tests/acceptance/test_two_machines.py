"""Two application folders that share nothing but URLs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from aios.settings import app_dir
from tests.acceptance import errands
from tests.acceptance.system import PREFORK, THREADS, Node, System

if TYPE_CHECKING:
    from pathlib import Path


def machine(folder: Path, *, without: str = "") -> dict[str, object]:
    """An application folder of its own, and the environment of the workers that run in it."""
    for part in ("tasks", "config"):
        shutil.copytree(app_dir() / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("agents", "tools"):
        shutil.copytree(errands.HERE / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    if without:
        shutil.rmtree(folder / "agents" / without)
    env = {
        "AIOS_AGENTS_PATH": str(folder / "agents"),
        "AIOS_TOOLS__PATH": str(folder / "tools"),
        "AIOS_CONFIG": str(folder / "config" / "aios.toml"),
    }
    return {"app": folder, "env": env}


def test_agents_run_wherever_their_program_is_loaded(tmp_path):
    one, two = machine(tmp_path / "one"), machine(tmp_path / "two", without="helper")
    fleet = (
        Node("one-agent", "agent", (*THREADS, "4"), **one),
        Node("two-agent", "agent", (*THREADS, "4"), **two),
        Node("one-llm", "llm", (*THREADS, "4"), **one),
        Node("two-effects", "memory,storage,llm", (*THREADS, "4"), **two),
        Node("two-tool", "tool", (*PREFORK, "2"), **two),
    )
    with System(tmp_path / "system", fleet=fleet, engine=errands.ENGINE) as system:
        wave = errands.submit(system, wave="two", count=10, sleep=0.2)
        errands.wait(system, wave, seconds=60)
        errands.check_results(system, wave)
        errands.check_effects(system, wave)
        loaded = dict(system.query("SELECT pid, 'helper' = ANY(programs) FROM workers WHERE 'agent' = ANY(pools)"))
        assert loaded[system.pid("one-agent")]
        assert not loaded[system.pid("two-agent")]
