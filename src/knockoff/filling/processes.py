"""What Linux offers to keep processes in their place, and Python has no words for."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@contextmanager
def ending_children() -> Iterator[None]:
    """Around user code: a process that it has forked off ends where it would come back to us.

    It would otherwise store, tell and lift limits as if it were its parent.
    """
    process = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != process:
            os._exit(0)


def kill_group(leader: int, number: signal.Signals) -> None:
    """Send a signal to a process group, or to its leader if it does not lead it yet."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:  # never both: the second would cut off what the first dumps
        with suppress(ProcessLookupError):
            os.kill(leader, number)


def children(pid: int | None = None) -> set[int]:
    """Processes whose parent is `pid`, or this one; adopted ones too, those of its threads not.

    Empty where /proc does not say.
    """
    pid = pid or os.getpid()
    try:
        return {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except (FileNotFoundError, ProcessLookupError):  # gone, or no CONFIG_PROC_CHILDREN
        return set()


def threads() -> int:
    """How many threads this process has, those of C libraries too."""
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208  # ten times faster than iterdir


def dump_no_core() -> None:
    """Let a crash leave its words in the log, and no file as large as its memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_memory(most: int | None) -> None:
    """Let this process have at most `most` bytes of data from now on; None for no limit.

    RLIMIT_DATA and not RLIMIT_AS, which would refuse large memory maps, shared memory
    and stacks of threads as well. Untouched memory of ``np.zeros`` counts. Only the soft
    limit is set, since the next variable may have a higher one.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = hard if most is None else most
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    with suppress(ValueError, OSError):  # user code has lowered the hard limit: that one holds
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def data_size() -> int:
    """Bytes of data that this process has, untouched ones too."""
    return _in_status("self", "VmData")


def own_memory(pid: int | str = "self") -> int:
    """Bytes of memory that a process does not share with a file; 0 if it is gone."""
    return _in_status(pid, "RssAnon", "RssShmem")


def family(pid: int) -> set[int]:
    """A process and all its descendants."""
    found, unseen = {pid}, [pid]
    while unseen:
        below = children(unseen.pop()) - found
        found |= below
        unseen.extend(below)
    return found


def be_first_to_go() -> None:
    """Ask the kernel to end this process rather than another when memory runs out."""
    with suppress(OSError):  # a container may forbid it
        Path("/proc/self/oom_score_adj").write_text(str(_FIRST_TO_GO))


def _in_status(pid: int | str, *names: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    words = (line.split() for line in lines if line.partition(":")[0] in names)
    return sum(int(each[1]) * 1024 for each in words)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
