"""A virtual environment for each peer, made when it is first needed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

FOLDER = Path(__file__).parent
_CACHE = FOLDER.parents[1] / ".venv-peers"
_SECONDS = 300


class Unavailable(Exception):  # what a reader must be told, not a defect
    """A peer cannot be installed here."""


def python(peer: str) -> Path:
    """The interpreter that has a peer's requirements.

    Raises:
        Unavailable: they cannot be installed.
    """
    requirements = FOLDER / peer / "requirements.txt"
    folder = _CACHE / peer
    found, stamp = folder / "bin" / "python", folder / "installed"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != digest:
        venv.create(folder, clear=True, with_pip=True)
        _install(found, requirements)
        stamp.write_text(digest)
    return found


def versions(peer: str) -> dict[str, str]:
    """What is installed of what a peer requires by name."""
    wanted = [line.partition(">")[0].partition("[")[0] for line in (FOLDER / peer / "requirements.txt").open()]
    code = "import sys, importlib.metadata as m; print(*(m.version(name) for name in sys.argv[1:]))"
    said = subprocess.run([python(peer), "-c", code, *wanted], capture_output=True, text=True, check=True).stdout
    return dict(zip(wanted, said.split(), strict=True))


def _install(interpreter: Path, requirements: Path) -> None:
    argv = (interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements)
    try:
        subprocess.run(argv, capture_output=True, text=True, check=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"pip took more than {_SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        said = [text for text in error.stderr.splitlines() if text.startswith("ERROR")]
        raise Unavailable(said[0] if said else f"pip ended with {error.returncode}") from None


if __name__ == "__main__":
    print(python(sys.argv[1]))
