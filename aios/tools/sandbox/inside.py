"""The first process inside the sandbox: limits itself, unpacks files, runs the program, packs up what it changed.

It is read as text and run by the sandbox's own interpreter, alone: only the standard library is there. Nothing of what it
sends back is believed by the other side, since the program runs with the same rights and may forge it.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

WORK = Path("/work")
PROGRAM = Path("/program/main")


def main() -> None:
    """Take the order from standard input and answer on the descriptor that it names."""
    source = sys.stdin.buffer
    order = json.loads(source.read(int.from_bytes(source.read(8), "big")))
    _become(order["uid"])
    _limit(order["limits"])
    for name, size in order["files"].items():
        path = WORK / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read(size))
    PROGRAM.write_text(order["program"])
    before = _digests()
    code = _run(order["command"])
    _answer(order["answer_fd"], {"exit_code": code}, _changed(before, order["answer_bytes"]))


def _become(uid: int | None) -> None:
    """Give root away, where the sandbox was begun with it: from here on no capability is left."""
    if uid is None:
        return
    for folder in (WORK, PROGRAM.parent, Path("/tmp"), Path("/dev/shm")):  # noqa: S108  # they are the sandbox's own
        os.chown(folder, uid, uid)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _limit(limits: dict[str, int]) -> None:
    for name, most in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))


def _run(command: list[str]) -> int:
    with subprocess.Popen([*command, str(PROGRAM)], cwd=WORK, stdin=subprocess.DEVNULL) as child:  # noqa: S603  # what this is for
        return child.wait()


def _digests() -> dict[str, bytes]:
    return {name: hashlib.sha256(path.read_bytes()).digest() for name, path in _files()}


def _files() -> list[tuple[str, Path]]:
    found = sorted(path for path in WORK.rglob("*") if path.is_file() and not path.is_symlink())
    return [(str(path.relative_to(WORK)), path) for path in found]


def _changed(before: dict[str, bytes], most: int) -> dict[str, bytes]:
    """New and different files, as far as they fit: the other side refuses more."""
    changed: dict[str, bytes] = {}
    for name, path in _files():
        data = path.read_bytes()
        if before.get(name) != hashlib.sha256(data).digest():
            most -= len(data)
            if most < 0:
                break
            changed[name] = data
    return changed


def _answer(fd: int, told: dict[str, int], files: dict[str, bytes]) -> None:
    with os.fdopen(fd, "wb") as out:
        header = json.dumps({**told, "files": {name: len(data) for name, data in files.items()}}).encode()
        out.write(len(header).to_bytes(8, "big") + header)
        for data in files.values():
            out.write(data)


if __name__ == "__main__":
    main()
