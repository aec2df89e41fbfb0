"""Irreversible operations: a human is asked, nothing is held meanwhile, and the answer is about what was seen."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import event, text

from aios.errors import AccessDenied, InvalidArgument, NotFound
from aios.settings import AccessSettings
from aios.storage import files
from tests.blocking import waiting
from tests.integration.access.conftest import office

PLAN = "/groups/staff/plan.md"


def asked(world, task, **options):
    """Submit, run until all waits, give the agent and the questions."""
    agent = world.client.submit("does", task, **options)
    world.run()
    assert world.client.result(agent, timeout=0).state == "waiting"
    return agent, world.client.approvals(agent)


def value(world, agent):
    world.run()
    return world.client.result(agent, timeout=0).value


def staff_plan(world):
    """A new file that another agent of the group wrote."""
    with world.database.transaction() as tx:
        tx.execute(text("DELETE FROM files WHERE path = :path"), {"path": PLAN})
    world.done([["write", PLAN, "draft"], ["write", PLAN, "first"]], groups=["staff"])


IRREVERSIBLE = [
    (["write", PLAN, "second"], "overwrite_other", f"file:{PLAN}"),
    (["rollback", PLAN, 1], "rollback_other", f"file:{PLAN}"),
    (["tool", "send", {"to": "all"}], "once_tools", "tool:send"),
    (["tool", "python.run", {"code": "1"}], "code", "tool:python.run"),
    (["grant", "read", "file:/shared/**"], "privileges", "file:/shared/**"),
    (["delete", PLAN], "delete_other", f"file:{PLAN}"),
    (["move", PLAN, "mine.md"], "delete_other", f"file:{PLAN}"),
]


def test_each_irreversible_operation_asks_and_happens_after_a_yes_only(world):
    for step, kind, resource in IRREVERSIBLE:
        staff_plan(world)
        agent, (question,) = asked(world, [step], groups=["staff"])
        assert (question["kind"], question["resource"]) == (kind, resource)
        assert world.recorder.bells == []
        calls = len(world.tool.calls)
        world.client.approve(str(question["id"]))
        (result,) = value(world, agent)
        assert result not in ("ApprovalDenied", "AccessDenied", "ApprovalVoid"), step
        assert len(world.tool.calls) - calls == (step[0] == "tool")
        actions = [row["action"] for row in world.client.audit(agent=agent)]
        assert actions.count("approval.asked") == actions.count("approval.approved") == 1
        assert actions.count("irreversible") == (0 if kind == "privileges" else 1), step


def test_what_is_refused_does_not_happen_and_the_program_is_told(world):
    agent, (question,) = asked(world, [["tool", "send", {"to": "all"}]])
    world.client.deny(str(question["id"]), note="not before Monday")
    assert value(world, agent) == ["ApprovalDenied"]
    assert world.tool.calls == []
    (call,) = world.client.journal(agent)
    assert "not before Monday" in call["error"]["message"]
    for answer in (world.client.approve, world.client.deny):
        with pytest.raises(InvalidArgument, match="it was denied by user:"):
            answer(str(question["id"]))
        with pytest.raises(NotFound):
            answer("00000000-0000-0000-0000-000000000001")


def test_a_human_may_change_the_arguments_but_not_what_they_are_for(world):
    agent, (question,) = asked(world, [["tool", "send", {"to": "all", "amount": 1000}]])
    id_ = str(question["id"])
    for edit in ({"tool": "look"}, {"unknown": 1}):
        with pytest.raises(InvalidArgument, match="edit"):
            world.client.approve(id_, edit=edit)
    world.client.approve(id_, edit={"arguments": {"amount": 10}})
    assert value(world, agent) == ["did it"]
    assert world.tool.calls == [("send", {"to": "all", "amount": 10})]
    (told,) = world.audited("approval.approved")
    assert told["detail"]["edit"] == {"arguments": {"amount": 10}}


def test_an_edit_opens_nothing_that_the_agent_may_not_reach(world):
    staff_plan(world)
    agent, (question,) = asked(world, [["move", PLAN, "mine.md"]], groups=["staff"])
    with pytest.raises(AccessDenied):
        world.client.approve(str(question["id"]), edit={"target": "/shared/everybody.md"})
    assert world.client.result(agent, timeout=0).state == "waiting"


def test_an_answer_is_about_the_version_of_the_file_that_was_seen(world):
    staff_plan(world)
    agent, (question,) = asked(world, [["write", PLAN, "mine"]], groups=["staff"])
    id_ = str(question["id"])
    assert question["version"] == 2
    change(world)
    with pytest.raises(InvalidArgument, match="at version 3"):
        world.client.approve(id_)
    world.client.approve(id_, version=3)
    change(world)
    assert value(world, agent) == ["ApprovalVoid"]
    assert world.done([["read", PLAN]], groups=["staff"])[1] == ["first"]


def test_an_answer_about_no_file_is_void_when_one_is_made_and_just_being_changed(world):
    agent = approved_removal_of_nothing(world)
    write(world.database, "made")
    with world.database.transaction() as tx:
        files.write(tx, PLAN, b"changed", agent_id=None, syscall_id=None)
        removed = waiting(world.client._parts.database, lambda: value(world, agent))
    assert removed.result() == ["ApprovalVoid"]


def test_an_answer_about_no_file_is_void_when_one_is_made_after_a_look_at_it(world):
    agent = approved_removal_of_nothing(world)
    others = iter([partial(write, world.database, "made")])

    def come_between(_connection, _cursor, statement, *_):
        for make in others if "SELECT 1 FROM files" in statement else ():
            make()

    event.listen(world.database.engine, "after_cursor_execute", come_between)
    assert value(world, agent) == ["ApprovalVoid"]
    assert next(others, None) is None


def approved_removal_of_nothing(world):
    agent, (question,) = asked(world, [["delete", PLAN]], groups=["staff"])
    assert question["version"] == 0
    world.client.approve(str(question["id"]))
    return agent


def write(database, content):
    with database.transaction() as tx:
        files.write(tx, PLAN, content.encode(), agent_id=None, syscall_id=None)


def change(world):
    """Somebody else writes the file meanwhile: a new version with the same content."""
    with world.database.transaction() as tx:
        tx.execute(text("UPDATE files SET version = version + 1 WHERE path = :path"), {"path": PLAN})
        tx.execute(
            text(
                """
                INSERT INTO file_versions (file_id, version, digest, size, media_type)
                SELECT f.id, f.version, v.digest, v.size, v.media_type
                FROM files f JOIN file_versions v ON v.file_id = f.id AND v.version = f.version - 1 WHERE f.path = :path
                """
            ),
            {"path": PLAN},
        )


def test_arguments_that_were_changed_behind_the_answer_void_it(world):
    agent, (question,) = asked(world, [["tool", "send", {"to": "me"}]])
    world.client.approve(str(question["id"]))
    with world.database.transaction() as tx:
        tx.execute(text("""UPDATE syscalls SET payload = jsonb_set(payload, '{arguments,to}', '"all"')"""))
    assert value(world, agent) == ["ApprovalVoid"]
    assert world.tool.calls == []
    assert [row["detail"]["error"]["type"] for row in world.audited("denied")] == ["ApprovalVoid"]


def wish(name, **arguments):
    return {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}


def test_what_a_model_wants_is_asked_about_when_it_is_known(world):
    world.executors["llm"].wishes = [wish("look"), wish("send", to="all")]
    agent, (question,) = asked(world, [["act", "tell them", ["look", "send"]]])
    assert question["kind"] == "once_tools"
    assert question["arguments"] == {"calls": world.executors["llm"].wishes}
    assert world.tool.calls == []
    with pytest.raises(InvalidArgument, match="edit"):
        world.client.approve(str(question["id"]), edit={"calls": [wish("python.run", code="1")]})
    world.client.approve(str(question["id"]), edit={"calls": [wish("look"), wish("send", to="me")]})
    world.executors["llm"].wishes = []
    value(world, agent)
    assert world.tool.calls == [("look", {}), ("send", {"to": "me"})]
    assert world.client.result(agent, timeout=0).unwrap()


def test_a_model_that_wants_nothing_irreversible_asks_nobody(world):
    world.executors["llm"].wishes = [wish("look")]
    world.done([["act", "look at it", ["look", "send"]]])
    assert world.tool.calls == [("look", {})]
    assert world.client.approvals(every=True) == []


def test_a_question_survives_everything_but_its_agent(world):
    agent, (question,) = asked(world, [["tool", "send", {}]])
    other, _ = asked(world, [["tool", "send", {}]])
    world.die()
    world.ready.clear()
    world.run()
    assert len(world.client.approvals()) == 2
    world.client.cancel(other)
    assert [row["id"] for row in world.client.approvals()] == [question["id"]]
    world.client.approve(str(question["id"]))
    assert value(world, agent) == ["did it"]


@pytest.mark.parametrize(("unanswered", "result"), [("deny", "ApprovalDenied"), ("allow", "did it")])
def test_what_nobody_answers_ends_as_the_settings_say(database_url, redis_url, unanswered, result):
    world = office(database_url, redis_url, access=AccessSettings(approval_seconds=0.2, unanswered=unanswered))
    agent = world.client.submit("does", [["tool", "send", {}]])
    world.run()
    with world.database.transaction() as tx:
        tx.exec_driver_sql("SELECT pg_sleep(0.3)")
    world.recovery.tick()
    assert value(world, agent) == [result]
    (row,) = world.client.approvals(every=True)
    assert (row["state"], row["decided_by"]) == ("expired" if unanswered == "deny" else "approved", "nobody")
    world.close()


@pytest.mark.parametrize(("policy", "calls"), [("allow", [("send", {})]), ("deny", [])])
def test_the_settings_may_ask_nobody(database_url, redis_url, policy, calls):
    world = office(database_url, redis_url, access=AccessSettings(once_tools=policy))
    _, result = world.done([["tool", "send", {}]])
    assert result == ["did it" if calls else "AccessDenied"]
    assert world.tool.calls == calls
    assert [row["action"] for row in world.audited(None)] == ["irreversible" if calls else "denied"]
    world.close()


def test_own_files_are_deleted_and_rolled_back_without_a_question(world):
    _, result = world.done([["write", "a", "1"], ["write", "a", "2"], ["rollback", "a", 1], ["delete", "a"]])
    assert "ApprovalDenied" not in result
    assert world.client.approvals(every=True) == []


def test_a_grant_that_an_agent_asks_for_opens_what_it_names(world):
    staff_plan(world)
    steps = [["read", PLAN], ["grant", "read", "file:/groups/staff/**"], ["read", PLAN]]
    agent, (question,) = asked(world, steps)
    world.client.approve(str(question["id"]))
    result = value(world, agent)
    assert (result[0], result[2]) == ("AccessDenied", "first")
    assert str(world.client.grants(f"agent:{agent}")[0]["id"]) == result[1]


def test_a_grant_is_approved_though_its_agent_is_busy_for_a_while(world):
    agent, (question,) = asked(world, [["grant", "read", "file:/shared/**"]])
    with world.database.transaction() as tx:
        tx.execute(text("SELECT 1 FROM agents FOR NO KEY UPDATE"))
        approved = waiting(world.client._parts.database, lambda: world.client.approve(str(question["id"])))
        tx.execute(text("SELECT pg_sleep(0.4)"))  # longer than a change of the rules makes others wait
    approved.result()
    assert value(world, agent) == [str(world.client.grants()[0]["id"])]
