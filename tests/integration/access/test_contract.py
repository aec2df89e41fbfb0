"""The port `Rules`, on the fake and on the real thing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aios.access.cache import RuleCache
from aios.kernel.access import Ask, Subject
from aios.sdk.client import Client
from aios.testing import FakeRules

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALICE = Subject("a", "t", "alice")
READ = Ask("read", "file:/shared/plan.md")


class Fake:
    def __init__(self):
        self.rules = FakeRules()
        self.grant, self.revoke, self.join = self.rules.grant, self.rules.revoke, self.rules.join

    @property
    def version(self):
        return self.rules.version


class Real:
    def __init__(self, client, database):
        self.database = database
        self.rules = RuleCache(database)
        self.grant, self.revoke, self.join = client.grant, client.revoke, client.join_group

    @property
    def version(self):
        with self.database.statement() as tx:
            return tx.exec_driver_sql("SELECT version FROM access_version").scalar_one()


class Rules:
    """What every implementation must do."""

    def decided(self, made, ask=READ, subject=ALICE):
        return made.rules.book(made.version).decide(subject, ask, now=NOW).allowed

    def test_what_was_granted_is_known_at_its_version_and_gone_at_the_next(self, made):
        assert (made.version, self.decided(made)) == (0, False)
        grant = made.grant("user:alice", "read", "file:/shared/**")
        assert (made.version, self.decided(made)) == (1, True)
        made.revoke(grant)
        assert (made.version, self.decided(made)) == (2, False)

    def test_a_deny_wins_and_a_group_counts(self, made):
        made.grant("group:staff", "*", "file:/shared/**")
        assert not self.decided(made)
        made.join("staff", "tenant:t")
        assert self.decided(made)
        made.grant("tenant:t", "read", "file:/shared/plan.md", deny=True)
        assert not self.decided(made)
        assert self.decided(made, Ask("write", READ.resource))

    def test_a_book_is_never_older_than_the_version_asked_for(self, made):
        made.grant("user:alice", "read", "file:/a/**")
        made.rules.book(1)
        made.grant("user:alice", "read", "file:/b/**")
        assert made.rules.book(2).version == 2
        assert made.rules.book(1).version >= 1


class TestFake(Rules):
    @pytest.fixture
    def made(self):
        return Fake()


class TestReal(Rules):
    @pytest.fixture
    def made(self, database, database_url, redis_url, tmp_path):
        with Client(database_url=database_url, redis_url=redis_url, data_dir=tmp_path) as client:
            yield Real(client, database)
