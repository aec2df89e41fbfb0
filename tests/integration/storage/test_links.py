"""Share links: who has one reads that file, until it expires or is revoked; nobody makes one up."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.errors import LinkRefused, Misconfigured, NotFound
from aios.kernel.ids import new_id
from aios.storage import key
from aios.storage.links import Links
from aios.storage.store import Store
from tests.integration.storage.disk import Disk

LINKS = Links(lambda: b"k" * 32)


@pytest.fixture(scope="module")
def database(common_database):
    return common_database


@pytest.fixture
def disk(database):
    disk = Disk(database, Store(links=LINKS))
    disk.write("report.md", "one")
    return disk


def opened(disk, link, links=LINKS):
    with disk.database.transaction() as tx:
        return links.open(tx, link, blobs=disk.store.blobs)


def test_a_link_opens_the_newest_version_or_the_one_it_names(disk):
    newest = disk("share", path="report.md")["link"]
    first = disk("share", path="report.md", version=1)["link"]
    disk.write("report.md", "two")
    assert (opened(disk, newest).data, opened(disk, first).data) == (b"two", b"one")
    assert opened(disk, newest)[:3] == (disk.path("report.md"), 2, "text/markdown")


def test_a_link_follows_its_file_into_deletion_and_back(disk):
    link = disk("share", path="report.md")["link"]
    disk("delete", path="report.md")
    with pytest.raises(LinkRefused, match="opens nothing any more"):
        opened(disk, link)
    disk("rollback", path="report.md")
    assert opened(disk, link).data == b"one"


def test_a_revoked_link_opens_nothing(disk):
    told = disk("share", path="report.md")
    other = disk("share", path="report.md")
    disk("unshare", path="report.md", link=told["link"])
    with pytest.raises(LinkRefused, match="was revoked"):
        opened(disk, told["link"])
    disk("unshare", path="report.md", link=other["id"])
    assert [link["state"] for link in disk("links", path="report.md")] == ["revoked", "revoked"]
    assert "link" not in disk("links", path="report.md")[0]


def test_nobody_revokes_the_links_of_another_file(disk):
    disk.write("other.md", "x")
    told = disk("share", path="report.md")
    for link in (told["id"], told["link"], "nonsense", "", "x" * 36):
        with pytest.raises(NotFound):
            disk("unshare", path="other.md", link=link)
    assert opened(disk, told["link"]).data == b"one"


def test_an_expired_link_opens_nothing(disk):
    told = disk("share", path="report.md", seconds=60)
    left = datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC)
    assert 50 < left.total_seconds() <= 60
    with pytest.raises(LinkRefused, match="has expired"):
        opened(disk, LINKS.sign(new_id(), datetime.now(UTC)))
    with disk.database.transaction() as tx:  # a host whose clock is late: the database's counts
        tx.exec_driver_sql("UPDATE share_links SET expires_at = clock_timestamp()")
    with pytest.raises(LinkRefused, match="has expired"):
        opened(disk, told["link"])
    assert disk("links", path="report.md")[0]["state"] == "expired"


def test_a_link_of_another_key_or_of_no_row_is_refused(disk):
    told = disk("share", path="report.md")
    with pytest.raises(LinkRefused, match="no link of this system"):
        opened(disk, told["link"], Links(lambda: b"other" * 8))
    forged = LINKS.sign(new_id(), datetime(2100, 1, 1, tzinfo=UTC))
    with pytest.raises(LinkRefused, match="opens nothing"):
        opened(disk, forged)


def test_only_files_that_are_there_are_shared(disk):
    for args in ({"path": "none"}, {"path": "report.md", "version": 2}):
        with pytest.raises(NotFound):
            disk("share", **args)
    with pytest.raises(Misconfigured, match="no key"):
        Disk(disk.database)("share", path="x")


GOOD = LINKS.sign(new_id(), datetime(2100, 1, 1, tzinfo=UTC))


@settings(max_examples=80)
@given(st.integers(0, len(GOOD) - 1), st.characters(codec="ascii") | st.sampled_from("-_AZ=+/"), st.booleans())
def test_fault_18_a_link_changed_in_any_place_is_refused(place, character, insert):
    changed = GOOD[:place] + character + GOOD[place + (not insert) :]
    if changed != GOOD:
        with pytest.raises(LinkRefused):
            LINKS.verify(changed)


@given(st.text(max_size=120) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_no_text_is_a_link_or_breaks_its_reader(text):
    with pytest.raises(LinkRefused):
        LINKS.verify(text)


def test_the_key_is_made_once_for_all_processes_and_is_nobody_elses(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: key.load("", tmp_path / "data"), range(16)))
    assert len(keys) == 1
    assert stat.S_IMODE((tmp_path / "data" / key.FILE).stat().st_mode) == 0o600
    assert [file.name for file in (tmp_path / "data").iterdir()] == [key.FILE]
    assert key.load("s" * 32, tmp_path) == b"s" * 32
    with pytest.raises(Misconfigured, match="32 or more"):
        key.load("short", tmp_path)
