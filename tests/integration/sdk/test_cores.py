"""Cores that two operators change at once: the later change knows the earlier one."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from aios.db import cores
from aios.errors import InvalidArgument
from tests.blocking import waiting


@pytest.fixture
def between(client, database):
    """Lets a change begin as soon as the client has read the cores; gives the list that its future will be in."""

    def arrange(change):
        begun, changes = [], iter([change])

        def begin(_connection, _cursor, statement, *_):
            if "FROM cores" in statement:
                begun.extend(waiting(database, one) for one in changes)

        event.listen(client._parts.database.engine, "after_cursor_execute", begin)
        return begun

    return arrange


@pytest.fixture
def stored(database):
    def read():
        with database.statement() as tx:
            return [(core.name, core.url, core.state) for core in cores.listing(tx)]

    return read


def test_a_core_that_is_replaced_while_it_is_drained_stays_replaced(client, between, stored):
    client.add_core("gpu", "http://old:1")
    replaced = between(lambda: client.add_core("gpu", "http://new:1", replace=True))
    client.drain_core("gpu")
    replaced[0].result()
    assert stored() == [("gpu", "http://new:1", "active")]


def test_a_core_that_is_removed_while_it_is_drained_stays_removed(client, between, stored):
    client.add_core("gpu", "http://old:1")
    removed = between(lambda: client.remove_core("gpu"))
    client.drain_core("gpu")
    removed[0].result()
    assert stored() == []


def test_of_two_who_give_one_name_one_is_refused(client, between, stored):
    second = between(lambda: client.add_core("gpu", "http://second:1"))
    client.add_core("gpu", "http://first:1")
    with pytest.raises(InvalidArgument, match="taken"):
        second[0].result()
    assert stored() == [("gpu", "http://first:1", "active")]
