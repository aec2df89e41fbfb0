"""A question to a human survives a restart of everything, and what it lets go happens once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.system import THREADS, Node, System

HERE = Path(__file__).parent / "access"
FLEET = (Node("all-1", "agent,tool", (*THREADS, "4")),)


@pytest.mark.timeout(150)
def test_a_question_outlives_every_process_and_what_it_lets_go_happens_once(tmp_path):
    sent = tmp_path / "sent.txt"
    env = {"AIOS_AGENTS_PATH": str(HERE / "agents"), "AIOS_TOOLS__PATH": str(HERE / "tools"), "SENT_FILE": str(sent)}
    with System(tmp_path, fleet=FLEET, env=env) as system:
        kept, refused = [system.client.submit("sender", text) for text in ("hello", "goodbye")]
        system.wait(lambda: len(system.client.approvals()) == 2, seconds=30, what="both questions")
        assert system.query("SELECT count(*) FROM syscalls WHERE state = 'running' OR claim_token IS NOT NULL") == [
            (0,)
        ]
        system.units["all-1"].kill()
        system.services.valkey.kill()
        system.services.valkey.wipe()
        system.services.valkey.start()
        system.services.postgres.kill()
        system.services.postgres.start()
        questions = {str(row["agent_id"]): str(row["id"]) for row in system.client.approvals()}
        assert questions.keys() == {kept, refused}
        assert not sent.exists()
        system.client.approve(questions[kept], edit={"arguments": {"text": "hello, world"}})
        system.client.deny(questions[refused], note="too early")
        system.units["all-1"].start()
        system.wait(lambda: not system.waiting(), seconds=60, what="the worker")
        system.wait(lambda: system.client.result(refused, timeout=0).ended, seconds=60, what="the refused agent")
        system.wait(lambda: system.client.result(kept, timeout=0).ended, seconds=60, what="the approved agent")
        assert system.client.result(kept).value == "sent hello, world"
        assert "too early" in str(system.client.result(refused).error)
        assert sent.read_text() == "hello, world\n"
        system.wait(lambda: system.client.verify_audit().unsealed == 0, seconds=20, what="the seal")
        assert system.client.verify_audit().good
