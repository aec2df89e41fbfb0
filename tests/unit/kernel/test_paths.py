"""Virtual paths: no path leaves its agent's folder, whatever it is written with."""

from __future__ import annotations

import unicodedata
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aios.errors import InvalidArgument, PathDenied
from aios.kernel.paths import AREAS, ancestors, canonical, folder, owner, resolve, root

ME = UUID("0198c0de-0000-7000-8000-0000000000aa")
OTHER = UUID("0198c0de-0000-7000-8000-0000000000bb")
OWN = folder(ME)


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("a.md", "a.md"),
        ("notes/2026/a b.md", "notes/2026/a b.md"),
        (OWN + "x/y", "x/y"),
        ("e\u0301", "\u00e9"),
        (".hidden", ".hidden"),
        ("...", "..."),
        ("a..b", "a..b"),
        ("~/x", "~/x"),
        ("日本/語", "日本/語"),
        ("a:b|c*?", "a:b|c*?"),
        ("x" * 255, "x" * 255),
    ],
)
def test_ordinary_paths_are_below_the_agents_own_folder(path, canonical):
    assert resolve(path, ME) == OWN + canonical


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../x",
        "a/../b",
        "a/..",
        "./a",
        ".",
        "/",
        "/etc/passwd",
        "/agents",
        "/agents/",
        f"/agents/{OTHER}/x",
        f"/agents/{OTHER}/../{ME}/x",
        f"/agents/{str(ME).upper()}/x",
        f"/agents/{ME}x/y",
        f"//agents/{ME}/x",
        OWN + "../x",
        "\uff0e\uff0e/x",
        "\u2025/x",
        "\u2024\u2024/x",
        "a/ ../b",
        "a/\u3000../b",
    ],
)
def test_ways_out_of_the_folder_are_denied(path):
    with pytest.raises(PathDenied):
        resolve(path, ME)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a//b",
        "a/",
        OWN,
        "a\x00b",
        "a\nb",
        "a\x7f",
        "a\u202eb",
        "a\u200bb",
        "..\\x",
        "a\\b",
        "a\uff0fb",
        "a\u2215b",
        "\u2100",
        "\ud800",
        " a",
        "a /b",
        "x" * 256,
        "é" * 128,
        "/".join(["abc"] * 300),
        "a" * 10_000_000,
    ],
)
def test_what_is_no_path_is_refused(path):
    with pytest.raises(InvalidArgument) as caught:
        resolve(path, ME)
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize("path", [None, 3, b"a", ["a"]])
def test_what_is_no_text_is_no_path(path):
    with pytest.raises(InvalidArgument):
        resolve(path, ME)


PIECES = st.sampled_from(
    [
        "..",
        ".",
        "/",
        "//",
        "\\",
        "\x00",
        "\uff0e",
        "\u2024",
        "\u2025",
        "\u2026",
        "\uff0f",
        "\u2215",
        "\u2044",
        "\u202e",
        "\u200d",
        "\ufeff",
        " ",
        "\u3000",
        "\n",
        "a",
        "é",
        "e\u0301",
        "\u0301",
        "%2e%2e",
        "%2f",
        "~",
        "agents",
        str(ME),
        str(OTHER),
        OWN,
        folder(OTHER),
        "\ud800",
        "\u212b",
        "ﬁ",
        "x" * 254,
        "C:",
        "*",
        "**",
    ]
)
HOSTILE = st.one_of(st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=12).map("".join), st.text())


@given(HOSTILE)
@example(OWN + "\u0301")
@example("a\u0338/b")
def test_every_path_is_refused_or_safe(path):
    try:
        canonical = resolve(path, ME)
    except (InvalidArgument, PathDenied):
        return
    assert canonical.startswith(OWN)
    names = canonical.removeprefix(OWN).split("/")
    for name in names:
        assert name.strip()
        assert unicodedata.normalize("NFKC", name).strip() not in {".", ".."}
        assert not set("/\\\x00") & set(unicodedata.normalize("NFKC", name))
        assert len(name.encode()) <= 255
    assert len(canonical.encode()) <= 1024
    assert unicodedata.is_normalized("NFC", canonical)
    assert resolve(canonical, ME) == canonical


@given(HOSTILE)
def test_two_agents_never_share_a_path(path):
    found = set()
    for agent in (ME, OTHER):
        try:
            found.add(resolve(path, agent))
        except (InvalidArgument, PathDenied):
            found.add(agent)
    assert len(found) == 2


# --- every area -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/shared/a", "/shared/a"),
        ("/groups/staff/notes/a.md", "/groups/staff/notes/a.md"),
        (f"/agents/{OTHER}/x", f"/agents/{OTHER}/x"),
        ("x/y", f"{OWN}x/y"),
        ("/groups/e\u0301quipe/x", "/groups/\u00e9quipe/x"),
    ],
)
def test_a_path_in_any_area_has_one_spelling(path, meant):
    assert canonical(path, home=OWN) == meant


@pytest.mark.parametrize(
    "path",
    [
        "/shared",
        "/groups/staff",
        "/groups",
        "/Shared/x",
        "/GROUPS/staff/x",
        "/groups/*/x",
        "/groups/st?ff/x",
        "/agents/x/y",
        f"/agents/{str(ME).replace('-', '')}/x",
        f"/agents/{{{ME}}}/x",
        f"/agents/{str(ME).upper()}/x",
        "/etc/x",
        "//shared/x",
        "/shared/../groups/staff/x",
        "/groups/../shared/x",
        "/groups/./x",
    ],
)
def test_no_other_place_exists(path):
    with pytest.raises((PathDenied, InvalidArgument)):
        canonical(path, home=OWN)


ODD = st.sampled_from(
    [
        "..",
        ".",
        "",
        " ",
        "\x00",
        "a",
        "A",
        "*",
        "?",
        "\\",
        "\u2215",
        "\uff0e\uff0e",
        "\u202e",
        "e\u0301",
        "x" * 300,
        "shared",
    ]
)
ROOTS = st.sampled_from(
    ["", "/", "//", "/shared/", "/groups/g/", "/groups/", OWN, f"/agents/{OTHER}/", "/etc/", "C:/", "~/"]
)


@given(ROOTS, st.lists(ODD, max_size=6).map("/".join) | HOSTILE)
def test_whatever_is_asked_for_is_one_clean_path_in_one_area_or_refused(start, rest):
    try:
        found = canonical(start + rest, home=OWN)
    except (PathDenied, InvalidArgument):
        return
    names = found.split("/")[1:]
    assert names[0] in AREAS
    assert not {"", ".", ".."} & set(names)
    assert not set("\x00\\\u2215\u202e") & set(found)
    assert canonical(found, home=folder(OTHER)) == found == unicodedata.normalize("NFC", found)
    assert found.startswith(root(found))
    above = ancestors(found)
    assert all(found.startswith(one + "/") and one.startswith(root(found)) for one in above)
    assert len(above) == len(found.removeprefix(root(found)).split("/")) - 1
    assert owner(found) == (UUID(names[1]) if names[0] == "agents" else None)
