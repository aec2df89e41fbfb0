"""What a sandbox is refused beyond: limits of the settings as the kernel's own, and as what is watched from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aios.settings import SandboxSettings


def kernel_limits(settings: SandboxSettings) -> dict[str, int]:
    """Resource limits by name, as the sandbox's first process sets them for itself and all that follow it.

    They hold for one process each, but for the number of processes, which the kernel counts per user: each sandbox has a
    user, or a namespace of users, of its own.
    """
    return {
        "AS": settings.memory_bytes,
        "CPU": max(1, round(settings.cpu_seconds)),
        "NPROC": settings.processes,
        "FSIZE": settings.file_bytes,
        "NOFILE": 256,
        "CORE": 0,
    }
