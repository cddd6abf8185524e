"""The ways to be hostile that `bench/hostile.py` tries, and what the cell of each must say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CONTEXT: Final = """
import ctypes, multiprocessing, os, re, signal, subprocess, sys, threading, time
import numpy as np
from damnit_ctx import Cell, Skip, Variable
{top}

@Variable
def before(run: "meta#run_number") -> int:
    return run

@Variable
def array(run: "meta#run_number"):
    return np.full(2000, run, dtype="f8")

@Variable{options}
def hostile(before: "var#before"):
    {body}

@Variable
def reads_it(hostile: "var#hostile"):
    return 1

@Variable
def after(before: "var#before") -> int:
    return before + 1
"""


@dataclass(frozen=True)
class Kind:
    """One way to be hostile, and what its cell must say."""

    body: str
    state: str
    kinds: tuple[str, ...] = ()
    """Any of these; empty where the cell has a value."""

    options: str = ""
    top: str = ""
    says: str = ""
    """What the message in the cell must have in it."""

    needs_small_disk: bool = False


SHORT: Final = "(timeout=0.5)"
NONE: Final[tuple[str, ...]] = ()
KINDS: Final = {
    "an exception": Kind('raise KeyError("no such device")', "failed", ("KeyError",)),
    "Skip": Kind('raise Skip("no beam")', "skipped", ("Skip",)),
    "an exception that cannot be told": Kind(
        "class Odd(Exception):\n        def __str__(self): raise self\n    raise Odd()",
        "failed",
        ("Odd",),
    ),
    "a message of odd characters": Kind(
        r'raise ValueError("\udcff\x00\x1b[31m\u202e" * 10_000)', "failed", ("ValueError",)
    ),
    "endless recursion": Kind(
        "def deeper(n): return deeper(n + 1)\n    return deeper(0)", "failed", ("RecursionError",)
    ),
    "sys.exit": Kind("sys.exit(3)", "failed", ("SystemExit",)),
    "os._exit": Kind("os._exit(3)", "failed", ("SystemExit",)),
    "a segfault": Kind("ctypes.string_at(0)", "killed", ("SIGSEGV",)),
    "a C loop that holds the interpreter's lock": Kind(
        're.match(r"(a+)+$", "a" * 64 + "b")', "timed out", ("Timeout",), SHORT
    ),
    "SIGTERM ignored, children left behind": Kind(
        """signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for own in (False, True):
        subprocess.Popen(["sleep", "1000"], start_new_session=own)
        subprocess.Popen("sleep 1000 & sleep 1000", shell=True, start_new_session=own)
    while True: time.sleep(1)""",
        "timed out",
        ("Timeout",),
        SHORT,
    ),
    "it stops itself": Kind(
        "os.kill(os.getpid(), signal.SIGSTOP)", "timed out", ("Timeout",), SHORT
    ),
    "memory that is refused": Kind(
        "return np.ones(100_000_000).sum()",
        "failed",
        ("_ArrayMemoryError", "MemoryError"),
        '(memory="200 MB")',
    ),
    "memory of its programs": Kind(
        """code = "x = b'x' * 150_000_000; import time; time.sleep(60)"
    for each in [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]: each.wait()""",
        "killed",
        ("OutOfMemory",),
        '(memory="300 MB")',
    ),
    "a value that cannot be kept": Kind("return (n for n in range(3))", "failed", ("any",)),
    "a value in lack of a disk": Kind(
        "return np.random.default_rng(1).random(4_000_000)",
        "failed",
        ("any",),
        says="disk or quota is full",
        needs_small_disk=True,
    ),
    "endless output": Kind('while True: print("x" * 10_000)', "timed out", ("Timeout",), SHORT),
    "all file descriptors closed": Kind(
        "os.closerange(0, 4096); return 1", "failed", ("WorkerError",)
    ),
    "garbage on every socket": Kind(
        """for name in os.listdir("/proc/self/fd"):
        if os.path.realpath(f"/proc/self/fd/{name}").rpartition("/")[2].startswith("socket:"):
            os.write(int(name), b"{" * 100)
    time.sleep(1000)""",
        "failed",
        ("WorkerError",),
        SHORT,
    ),
    "functions of the library replaced": Kind(
        "import json, socket; os.write = json.dumps = socket.socket.sendall = None; return 1",
        "failed",
        ("WorkerError",),
    ),
    "two hundred children": Kind(
        "for _ in range(200):\n        if os.fork() == 0: time.sleep(1000)\n    return 1",
        "done",
    ),
    "threads at import": Kind(
        "return 1",
        "done",
        top="threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
    ),
    "KeyboardInterrupt": Kind("raise KeyboardInterrupt", "failed", ("WorkerError",)),
    "its whole process group killed": Kind("os.killpg(0, 9)", "killed", ("SIGKILL",)),
    "its own log deleted": Kind(
        """log = os.path.realpath("/proc/self/fd/1"); os.remove(log)
    ctypes.string_at(0)""",
        "killed",
        ("SIGSEGV",),
    ),
    "its folder, umask and signals changed": Kind(
        """os.chdir("/"); os.umask(0o777)
    for each in (signal.SIGTERM, signal.SIGCHLD): signal.signal(each, signal.SIG_IGN)
    return 1""",
        "done",
    ),
    "its parent killed": Kind(
        "os.kill(os.getppid(), signal.SIGKILL); time.sleep(1000)", "killed", ("WorkerLost",)
    ),
    "an array larger than a document of MongoDB": Kind("return np.zeros(4_000_000)", "done"),
    "a text larger than a document of MongoDB": Kind('return "x" * 20_000_000', "done"),
    "a text larger than a message": Kind('return "x" * 200_000_000', "done"),
    "a handler at exit that fails": Kind(
        "import atexit; atexit.register(lambda: 1 / 0); return 1", "done"
    ),
    "a handler at exit that never ends": Kind(
        "import atexit; atexit.register(time.sleep, 1000); return 1", "done"
    ),
    "a thread that goes on, prints and allocates": Kind(
        """def go_on():
        kept = []
        while True:
            kept.append(bytearray(100_000)); print("still here"); time.sleep(0.01)
    threading.Thread(target=go_on, daemon=True).start()
    return 1""",
        "done",
    ),
    "a thread that nobody waits for": Kind(
        "threading.Thread(target=time.sleep, args=(1000,)).start(); return 1", "done"
    ),
    "a child that goes on through our frames": Kind("return 1 if os.fork() else 2", "done"),
    "a child that raises through our frames": Kind(
        "if os.fork() == 0: raise ValueError\n    return 1", "done"
    ),
    "standard output closed": Kind("sys.stdout.close(); sys.stderr.close(); return 1", "done"),
    "standard output replaced": Kind("sys.stdout = sys.stderr = None; return 1", "done"),
    "sys.settrace": Kind(
        "sys.settrace(lambda *a: (_ for _ in ()).throw(ValueError('traced'))); return 1",
        "failed",
        ("ValueError",),
    ),
    "an alarm that rings later": Kind("signal.alarm(1); return 1", "done"),
    "an alarm that rings": Kind("signal.alarm(1); time.sleep(1000)", "killed", ("SIGALRM",)),
    "an environment that is emptied": Kind("os.environ.clear(); return 1", "done"),
    "no more open files": Kind(
        """import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    return 1""",
        "done",
    ),
    "faulthandler taken away": Kind(
        "import faulthandler; faulthandler.disable(); faulthandler.unregister(15)\n"
        "    ctypes.string_at(0)",
        "killed",
        ("SIGSEGV",),
    ),
    "a huge exception": Kind('raise ValueError("x" * 100_000_000)', "failed", ("ValueError",)),
    "an exception of no known class": Kind(
        "class Odd(BaseException): pass\n    raise Odd('odd')", "failed", ("any",)
    ),
    "GeneratorExit": Kind("raise GeneratorExit", "failed", ("any",)),
    "a coroutine": Kind("async def later(): return 1\n    return later()", "done"),
    "sys.modules emptied": Kind("sys.modules.clear(); return 1", "failed", ("any",)),
    "time and os replaced": Kind(
        "time.time = time.monotonic = time.perf_counter = os.fsync = None; return 1",
        "failed",
        ("WorkerError",),
    ),
}
