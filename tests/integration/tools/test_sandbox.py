"""What code in the sandbox can do, and what it cannot: each escape is tried for real."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from aios.errors import ToolOff
from aios.settings import SandboxSettings
from aios.tools.sandbox import bubblewrap
from aios.tools.sandbox.cage import Cage, Program, Ran

SETTINGS = SandboxSettings(
    wall_seconds=10,
    cpu_seconds=5,
    memory_bytes=200_000_000,
    processes=16,
    file_bytes=1_000_000,
    disk_bytes=4_000_000,
    output_bytes=1_000,
)
SHORT = SETTINGS.model_copy(update={"wall_seconds": 0.7})


@pytest.fixture(scope="module")
def python():
    return bubblewrap.find(SETTINGS).python


def run(code, *, files=None, settings=SETTINGS, shell=False, seconds=60.0) -> Ran:
    found = bubblewrap.Bubblewrap(str(bubblewrap._bundled()), str(Path(sys.executable).resolve()), settings)
    command = ("/bin/sh",) if shell else (found.python, "-I", "-B")
    return Cage(found, settings).run(Program(code, command), files or {}, seconds=seconds)


def test_a_program_works_on_the_files_it_is_given_and_changed_ones_come_back():
    ran = run(
        "import pathlib; pathlib.Path('new/out.txt').parent.mkdir(); "
        "pathlib.Path('new/out.txt').write_text(open('a/in.txt').read().upper()); print('done'); open('same.txt')",
        files={"a/in.txt": b"hello", "same.txt": b"same"},
    )
    assert (ran.exit_code, ran.stdout, ran.stderr, ran.stopped) == (0, "done\n", "", "")
    assert ran.files == {"new/out.txt": b"HELLO"}


def test_a_failing_program_tells_its_exit_code_and_what_it_said():
    ran = run("echo no >&2; exit 3", shell=True)
    assert (ran.exit_code, ran.stderr, ran.stopped) == (3, "no\n", "")


def test_it_has_no_right_and_is_nobody():
    ran = run(f"import os; print(os.getuid() in (0, {os.getuid()}))")
    assert ran.stdout.startswith("False" if os.getuid() == 0 else "True")
    status = run("grep -E 'Cap(Prm|Eff|Amb)|NoNewPrivs' /proc/self/status", shell=True).stdout.split()
    assert status[1::2] == ["0" * 16, "0" * 16, "0" * 16, "1"]


def test_a_fork_bomb_ends_with_its_sandbox():
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    ran = run(bomb, settings=SHORT)
    assert "ran longer" in ran.stopped
    count = run("n=0; while sleep 5 & do n=$((n+1)); done", shell=True)
    assert "annot fork" in count.stderr


def test_ten_gigabytes_are_refused_to_one_process_and_to_many_together():
    assert "MemoryError" in run("x = bytearray(10 * 10**9)").stderr
    child = "if os.fork() == 0:\n        x = bytearray(80_000_000); time.sleep(9)"
    many = f"import os, time\nfor _ in range(6):\n    {child}\ntime.sleep(9)"
    assert "bytes of memory together" in run(many).stopped


def test_endless_output_ends_and_its_beginning_is_kept():
    ran = run("yes", shell=True)
    assert "printed without end" in ran.stopped
    assert ran.stdout.startswith("y\ny\n")
    assert len(ran.stdout) < 1_100


def test_much_output_is_cut_and_the_program_goes_on():
    ran = run("print('x' * 5000); open('kept', 'w').write('1')")
    assert (ran.exit_code, ran.stopped, list(ran.files)) == (0, "", ["kept"])
    assert "5001 bytes, the rest is left out" in ran.stdout


def test_it_ends_in_time_with_all_its_processes():
    mark = f"77{os.getpid()}"
    started = time.monotonic()
    ran = run(f"setsid sleep {mark} & setsid sleep {mark}", shell=True, settings=SHORT)
    assert "ran longer" in ran.stopped
    assert time.monotonic() - started < 5
    assert not [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]


def test_its_processor_time_is_bounded_too():
    ran = run("while True: pass", settings=SETTINGS.model_copy(update={"cpu_seconds": 1}))
    assert (ran.exit_code, ran.stopped) == (-signal.SIGKILL, "")  # by the kernel, long before its wall time


def test_it_sees_the_agents_files_and_the_systems_programs_and_nothing_else():
    ran = run("cd /work; find . -type f; ls -A / /etc /home /root /var", shell=True, files={"a/b": b""})
    python = Path(sys.executable).resolve().parts  # the folders on the way to it are there, with nothing beside it
    system = {
        "bin",
        "dev",
        "etc",
        "lib",
        "lib32",
        "lib64",
        "proc",
        "program",
        "sbin",
        "tmp",
        "usr",
        "work",
        *python[1:3],
    }
    headings = {"/:", "/etc:", f"/{python[1]}:"}
    assert set(ran.stdout.split()) <= {"./a/b", *headings, *system, "alternatives", "ld.so.cache"}


def test_it_reads_no_file_of_this_machine():
    tried = ["/etc/passwd", "/etc/shadow", str(Path(__file__)), "/proc/1/environ"]
    ran = run(
        f"for place in {tried!r}:\n    try:\n        print(place, open(place).read())\n    except OSError:\n        pass"
    )
    assert ran.stdout == ""
    assert run("env", shell=True).stdout.count("AIOS") == 0


def test_it_writes_nothing_outside():
    places = ["/etc/x", "/usr/x", "/x", "/dev/x", "/proc/sys/kernel/hostname", "/program/../y"]
    tried = f"for place in {places!r}:\n    try:\n        open(place, 'w').write('x'); print(place)\n"
    assert run(f"{tried}    except OSError:\n        pass").stdout == ""


def test_files_are_bounded_each_and_together():
    assert (
        "File too large"
        in run("open('big', 'wb', 0).write(bytes(1_000_000)) and open('big', 'ab', 0).write(b'x')").stderr
    )
    ran = run("for n in range(9): open(f'{n}', 'wb').write(bytes(900_000))")
    assert "No space left" in ran.stderr
    assert sum(map(len, ran.files.values())) <= SETTINGS.disk_bytes


def test_it_reaches_neither_loopback_nor_the_network():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ran = run(
            "import socket\n"
            f"for address in [('127.0.0.1', {port}), ('1.1.1.1', 53)]:\n"
            "    try:\n        socket.create_connection(address, 2); print('reached')\n"
            "    except OSError as error:\n        print(error.errno)"
        )
    assert ran.stdout.split() == ["111", "101"]


def test_links_lead_nowhere_and_names_are_only_names():
    ran = run("ln -s /etc/passwd link; ln -s / root; mkfifo pipe; echo x > '..a'; echo y > 'a\nb'", shell=True)
    assert dict(ran.files) == {"..a": b"x\n", "a\nb": b"y\n"}


def test_what_it_forges_is_not_believed():
    forged = "import os, signal\nfor fd in range(3, 30):\n    try:\n        os.write(fd, b'\\xff' * 100)\n"
    ran = run(f"{forged}    except OSError:\n        pass\nos.kill(os.getppid(), signal.SIGKILL)")
    assert ran.exit_code is None
    assert "ended by itself" in ran.stopped


def test_it_dies_with_its_worker(tmp_path):
    mark = f"78{os.getpid()}"
    script = f"from tests.integration.tools.test_sandbox import run\nrun('sleep {mark}', shell=True)\n"
    worker = subprocess.Popen([sys.executable, "-c", script])
    sleeping = lambda: [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", mark]]  # noqa: E731
    until = time.monotonic() + 20
    while not sleeping() and time.monotonic() < until:
        time.sleep(0.05)
    assert sleeping()
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    while sleeping() and time.monotonic() < until:
        time.sleep(0.02)
    assert not sleeping()


def test_an_ordinary_user_gets_the_same_cage():
    if os.getuid() != 0:
        pytest.skip("this run is an ordinary user's already")
    script = (
        "import os\n"
        "from tests.integration.tools.test_sandbox import SETTINGS, run\n"
        "from aios.tools.sandbox import bubblewrap\n"
        "from aios.tools.sandbox.cage import Cage, Program\n"
        "settings = SETTINGS.model_copy(update={'python': '/usr/bin/python3', 'wall_seconds': 1})\n"
        "cage = Cage(bubblewrap.Bubblewrap(bubblewrap._bundled(), settings.python, settings), settings)\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "bubblewrap.find(settings)\n"
        "ran = cage.run(Program('echo hi > f; echo x > /x; unshare -U true; while true; do sleep 9 & done',"
        " ('/bin/sh',)), {}, seconds=9)\n"
        "print(ran)"
    )
    if not Path("/usr/bin/python3").exists():
        pytest.skip("no interpreter here that an ordinary user may read")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "Read-only file system" in done.stdout, done.stderr
    assert "annot fork" in done.stdout


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"enabled": False}, "switched off"),
        ({"bubblewrap": "/no/bwrap"}, "cannot be started"),
        ({"bubblewrap": "/bin/false"}, "does not work here"),
    ],
)
def test_without_a_sandbox_the_reason_is_told(changed, why):
    with pytest.raises(ToolOff, match=why):
        bubblewrap.find(SETTINGS.model_copy(update=changed))


def test_two_run_side_by_side():
    found = []
    threads = [threading.Thread(target=lambda n=n: found.append(run(f"print({n})").stdout)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["0\n", "1\n", "2\n"]
