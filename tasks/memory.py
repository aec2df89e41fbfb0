"""The pool `memory`: blocks of working memory, and notes: added, found, linked, changed and removed."""

from aios.kernel.words import Pool
from aios.memory.operations import OPERATIONS
from tasks.application import serve

serve(Pool.MEMORY, **OPERATIONS)
