"""The pool `storage`: one task per operation on files."""

from aios.kernel.words import Pool
from aios.storage.executor import OPERATIONS
from tasks.application import serve

serve(Pool.STORAGE, **{name: (prepare.__doc__ or name).splitlines()[0] for name, prepare in OPERATIONS.items()})
