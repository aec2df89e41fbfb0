"""What must stand nowhere in the library's source, whatever is added to it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import aios

ROOT = Path(aios.__file__).parent
_HOST = re.compile(r"\w://(?:[^\s/@]*@)?([\w-]+(?:\.[\w-]+)+|localhost)")


@cache
def sources() -> dict[str, ast.Module]:
    return {
        str(file.relative_to(ROOT)): ast.parse(file.read_text())
        for file in ROOT.rglob("*.py")
        if "_app" not in file.parts
    }


def nodes(kind):
    return [(where, node) for where, tree in sources().items() for node in ast.walk(tree) if isinstance(node, kind)]


def test_faults_19_and_20_nothing_unpacks_installs_or_executes_what_came_from_elsewhere():
    """Programs and tools are files that an operator put there; no package is fetched for an agent."""
    imported = {
        (where, name.split(".")[0])
        for where, node in nodes((ast.Import, ast.ImportFrom))
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert len(imported) > 1_000
    assert {
        found for found in imported if found[1] in {"zipfile", "tarfile", "pip", "ensurepip", "runpy", "pickle"}
    } == set()
    called = {(where, node.func.id) for where, node in nodes(ast.Call) if isinstance(node.func, ast.Name)}
    assert {found for found in called if found[1] in {"exec", "eval", "compile"}} == set()
    loads = {where for where, node in nodes(ast.Attribute) if node.attr in {"exec_module", "unpack_archive"}}
    assert loads == {"sdk/loader.py", "tools/sources.py"}


def test_fault_37_no_host_is_fixed_outside_the_settings():
    """But for loopback, where `aios up` starts servers of its own, and what a setting replaces."""
    texts = [(where, node.value) for where, node in nodes(ast.Constant) if isinstance(node.value, str)]
    found = {(where, hit[1]) for where, text in texts for hit in _HOST.finditer(text) if "\n" not in text}
    assert {hit for hit in found if not hit[0].startswith(("local/", "settings.py"))} == {
        ("tools/web_search.py", "api.search.brave.com"),  # tools.search.url
        ("tools/knowledge.py", "www.w3.org"),  # the name of an XML namespace
    }
