"""What Linux offers to keep processes in their place, and Python has no words for."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_FIRST_TO_GO: Final = 800
"""`oom_score_adj`, -1000 to 1000: the kernel takes user code before any service."""

_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends (prctl(2), subreaper)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """Be killed when `parent`, which started this process, ends; exit if it has already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def kill_group(leader: int, number: signal.Signals) -> None:
    """Send a signal to a process group, or to its leader if it does not lead it yet."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:  # never both: the second would cut off what the first dumps
        with suppress(ProcessLookupError):
            os.kill(leader, number)


def children() -> set[int]:
    """Processes whose parent this one is, adopted ones too; empty where /proc does not say."""
    pid = os.getpid()
    try:
        return {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        return set()


def threads() -> int:
    """How many threads this process has, those of C libraries too."""
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208  # ten times faster than iterdir


def limit_memory(extra: int | None) -> None:
    """Let this process take `extra` bytes more than it has; no core dump either way.

    RLIMIT_DATA and not RLIMIT_AS, which would refuse large memory maps, shared memory
    and stacks of threads as well. Untouched memory of ``np.zeros`` counts.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if extra is not None:
        limit = _data_size() + extra
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def be_first_to_go() -> None:
    """Ask the kernel to end this process rather than another when memory runs out."""
    with suppress(OSError):  # a container may forbid it
        Path("/proc/self/oom_score_adj").write_text(str(_FIRST_TO_GO))


def _data_size() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
