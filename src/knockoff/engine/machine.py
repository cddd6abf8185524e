"""What this machine has to give: processors and memory, as far as this process may use them."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Final

from knockoff.filling.memory import gigabytes

_FOR_THE_REST: Final = 0.1
"""Part of the memory that user code never gets: MongoDB and the service need some, too."""

_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),  # cgroup v2
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # v1
)


@cache
def memory_of_machine() -> int:
    """Bytes that user code can have here; a container's limit counts."""
    most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for file in _LIMITS:
        try:
            most = min(most, int(file.read_text()))
        except (OSError, ValueError):  # no such limit, or "max"
            continue
    return int(most * (1 - _FOR_THE_REST))


@cache
def processors_of_machine() -> int:
    """Processors that this process may use; a container's share counts."""
    most = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        most = min(most, max(1, int(quota) // int(period)))
    except (OSError, ValueError):  # no such limit, or "max"
        pass
    return most


def limits_of_a_run(cpus: int, memory: int | None) -> tuple[int, int]:
    """Processors and bytes of memory that one run may use: what is wanted, if there is as much."""
    most = memory_of_machine()
    return min(cpus, processors_of_machine()), most if memory is None else min(memory, most)


def lowered(cpus: int, memory: int) -> str | None:
    """How much less than what is wanted one run may use, in a sentence; None if not less."""
    has_cpus, has_memory = limits_of_a_run(cpus, memory)
    less = []
    if has_memory < memory:
        less.append(f"{gigabytes(has_memory)} of memory and not {gigabytes(memory)}")
    if has_cpus < cpus:
        less.append(f"{has_cpus} processor{'s' * (has_cpus != 1)} and not {cpus}")
    if not less:
        return None
    return f"The variables of one run may use {', '.join(less)}: this machine has no more."
