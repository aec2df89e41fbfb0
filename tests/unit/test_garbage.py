"""A settled process, in a Python of its own: what the collector visits is the process' own affair."""

import subprocess
import sys

_SETTLED = """
import gc
import weakref
from aios import garbage

class Node:
    pass

def cycle():
    node = Node()
    node.itself = node
    return weakref.ref(node)

kept = [Node() for _ in range(50_000)]
before = cycle()
often = gc.get_threshold()[0]
garbage.settle()
visited = sum(isinstance(thing, Node) for thing in gc.get_objects())
after = cycle()
young = [[] for _ in range(gc.get_threshold()[0] + 1)]
print(before() is None, visited, gc.get_threshold()[0] > 10 * often, after() is None)
"""


def test_a_settled_process_visits_nothing_that_was_there_and_still_frees_what_comes():
    done = subprocess.run([sys.executable, "-c", _SETTLED], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split() == ["True", "0", "True", "True"]
