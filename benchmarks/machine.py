"""The machine under the benchmark: which core belongs to whom, and what a process used of it.

The server under test has one core to itself; Postgres, Redis, the model and the load share the others. What cannot
be pinned (there is one core, or this is not Linux) runs where the system puts it, and the report says so.
"""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


_CORES = cores()
PINNED = len(_CORES) > 1 and hasattr(os, "sched_setaffinity")


def keep_off_the_server_core() -> None:
    """Move this process, and with it whatever it starts, away from the core of the server under test."""
    if PINNED:
        os.sched_setaffinity(0, _CORES[1:])


def give_the_server_core(pid: int) -> None:
    """Move a server under test to its core."""
    if PINNED:
        os.sched_setaffinity(pid, _CORES[:1])


def cpu_seconds(pid: int) -> float:
    """The CPU time that the process has used so far, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def waited_seconds(pid: int) -> float:
    """How long the process's first thread has waited for its core because others had it.

    That is the noise of a shared machine.
    """
    try:
        return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (FileNotFoundError, IndexError):  # a kernel without scheduler statistics
        return 0.0


def resident_bytes(pid: int) -> int:
    """The memory that the process holds now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def children(pid: int) -> list[int]:
    """The processes that the process has started and that still run."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def load() -> float:
    """How many processes wanted a core during the last minute: far above one means that others use the machine."""
    return os.getloadavg()[0]


def described() -> str:
    """The processor, as a report names it."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{names[0] if names else 'unknown processor'}, {len(_CORES)} cores"
