"""Glob patterns over paths."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.storage.pattern import literal_prefix, matches


@pytest.mark.parametrize(
    ("pattern", "path", "wanted"),
    [
        ("**", "a", True),
        ("**", "a/b/c", True),
        ("*", "a", True),
        ("*", "a/b", False),
        ("*.md", "x.md", True),
        ("*.md", "x.mdx", False),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("a/**", "ab/c", False),
        ("**/x", "x", True),
        ("**/x", "a/b/x", True),
        ("**/x", "a/bx", False),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**/z/**/q", "a/z/z/y/q", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("a*b*c", "axxbyybzc", True),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
        ("", "a", False),
    ],
)
def test_wildcards(pattern, path, wanted):
    assert matches(pattern, path) is wanted


@given(
    st.lists(st.sampled_from(["a", "b", "*", "?", "**", "a*", "*b", "a*b"]), min_size=1, max_size=5),
    st.lists(st.sampled_from(["a", "b", "ab", "aab", "ba"]), min_size=1, max_size=6),
)
def test_patterns_mean_what_the_regular_expression_means(pattern, path):
    wanted = [*pattern, "*"] if pattern[-1] == "**" else pattern
    regex = "".join(
        "(?:[^/]+/)*" if name == "**" else name.replace("*", "[^/]*").replace("?", "[^/]") + "/" for name in wanted
    )
    assert matches("/".join(pattern), "/".join(path)) is bool(re.fullmatch(regex, "/".join(path) + "/"))


@given(st.text(alphabet="ab/*?", max_size=12), st.text(alphabet="ab/", max_size=12))
def test_a_match_begins_with_the_literal_prefix(pattern, path):
    if matches(pattern, path):
        assert path.startswith(literal_prefix(pattern).rstrip("/"))


def test_a_hostile_pattern_takes_no_time():
    began = time.perf_counter()
    assert not matches("*a" * 400 + "b", "a" * 1000)
    assert not matches("**/a/" * 150 + "b", "a/" * 450 + "c")
    assert time.perf_counter() - began < 2
