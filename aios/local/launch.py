"""Between `fork` and a server's own program: ties the child to its parent's life and gives root another user.

A script, not a module: run as `python -I -S launch.py SIGNAL PARENT RUN_AS PROGRAM ARGUMENT...` in a fresh interpreter,
because code between `fork` and `exec` is unsafe in a process with threads. It imports nothing of AIOS and keeps the pid.

Servers refuse uid 0. `userns` makes uid 0 look like "nobody" inside a user namespace of the child's own, so files of
root below private folders stay reachable and no account or permission on the machine is changed.
"""

import ctypes
import os
import signal
import sys

NOBODY = 65534
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123  # pathlib is slow to import before every child
        file.write(text)


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if _libc().unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER)")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{NOBODY} {uid} 1")
    _write("/proc/self/gid_map", f"{NOBODY} {gid} 1")


def _become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def _die_with_parent(death_signal: int, parent: int) -> None:
    # Linux only. The kernel clears this on a change of user, hence after it; and the parent may be gone already.
    if not death_signal or sys.platform != "linux":
        return
    _libc().prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone")


def main(arguments: list[str]) -> None:
    """Become the program that the arguments name; see the module's text."""
    death_signal, parent, run_as, *program = arguments
    if run_as == "userns":
        _enter_user_namespace()
    elif run_as == "nobody":
        _become_nobody()
    _die_with_parent(int(death_signal), int(parent))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.execvp(program[0], program)  # noqa: S606  # a list, and no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
