"""What a killed keeper leaves behind: a Postgres that runs on, or its lock files."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from project.postgres.server import Server

FAST_STOP_SECONDS = 10.0


def stop_orphan(server: Server) -> None:
    """Stop a Postgres that has no keeper, and remove the lock files that a killed one left.

    Postgres refuses to start when any process has the pid in such a file. After a crash, and always in a container
    that was restarted, that can be somebody else, or a zombie. Only for whoever knows that no keeper is at work.
    """
    pid_file = server.data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        pid = 0
    deadline = time.monotonic() + FAST_STOP_SECONDS
    stop = signal.SIGINT
    while pid and is_postgres_of(pid, server):
        with suppress(ProcessLookupError):
            os.kill(pid, stop)
        if time.monotonic() > deadline:
            stop = signal.SIGQUIT
        time.sleep(0.05)  # no child of this process: that it has ended can only be asked for again
    pid_file.unlink(missing_ok=True)
    (server.socket_dir / ".s.PGSQL.5432.lock").unlink(missing_ok=True)


def is_postgres_of(pid: int, server: Server) -> bool:
    """Whether the process is the Postgres of this very data directory."""
    proc = Path("/proc", str(pid), "cmdline")
    if Path("/proc/self/cmdline").exists():
        try:
            words = proc.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return False
        return os.fsencode(server.data) in words
    shown = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return str(server.data) in shown.stdout
