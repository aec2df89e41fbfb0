"""The pool `memory`. Memories: added, found, changed and removed."""

from aios.kernel.words import Pool
from tasks.application import serve

serve(
    Pool.MEMORY,
    add="Remember a text.",
    get="Look one memory up.",
    search="Find the nearest memories.",
    update="Change a memory.",
    remove="Forget a memory.",
    remember="Remember a reply of the same request.",
)
