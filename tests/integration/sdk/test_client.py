from __future__ import annotations

import pytest

from aios.errors import InvalidArgument, Misconfigured, NotFound, SchemaMismatch
from aios.sdk.client import Client


def test_an_agent_is_found_by_a_part_of_its_id_or_as_the_last(client) -> None:
    first, second = client.submit("echo", "one"), client.submit("echo", "two")
    assert client.find(first) == client.find(first.upper()) == first
    assert client.find(first[-8:]) == first
    assert client.find("last") == client.find("-") == second


def test_a_part_that_fits_several_is_refused_with_two_of_them(client) -> None:
    ids = [client.submit("echo", "x") for _ in range(3)]
    with pytest.raises(InvalidArgument, match=f"several match, such as {ids[2]} and {ids[1]}"):
        client.find(ids[0][:8])


@pytest.mark.parametrize("part", ["abcde", "last!", "000000", "", "%%%%%%", "______"])
def test_what_names_no_agent_is_not_found(client, part) -> None:
    with pytest.raises(NotFound):
        client.find(part)


def test_there_is_no_last_agent_before_the_first(client) -> None:
    with pytest.raises(NotFound, match="no agent 'last'"):
        client.find("last")


@pytest.mark.parametrize("wrong", [{"limit": -1}, {"limit": 2**63}, {"state": "asleep"}])
def test_what_cannot_be_listed_is_refused(client, wrong) -> None:
    with pytest.raises(InvalidArgument, match=f"invalid {next(iter(wrong))}"):
        client.list(**wrong)


def test_a_wrong_redis_url_leaves_no_agent_behind(client) -> None:
    wrong = client.settings.model_copy(update={"redis_url": "nonsense"})
    with Client(wrong) as other, pytest.raises(Misconfigured, match="nonsense is no URL of a Redis"):
        other.submit("echo", "x")
    assert client.list() == []


def test_a_database_without_tables_is_told_from_a_fault(client, services) -> None:
    empty = client.settings.model_copy(update={"database_url": services.database_url})
    with Client(empty) as other, pytest.raises(SchemaMismatch, match="run `aios db upgrade`"):
        other.list()


def test_a_timeout_that_is_no_number_is_refused_and_not_waited_for(client) -> None:
    agent = client.submit("echo", "x")
    with pytest.raises(InvalidArgument, match="invalid timeout"):
        client.result(agent, timeout=float("nan"))
