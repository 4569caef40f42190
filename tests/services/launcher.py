"""Starts Python programs as forks of one process that has imported their libraries: in a tenth of a second, not in two.

    python -m tests.services.launcher FD

What is forked is the program as its command line would run it, with its own arguments, environment and log. Of the
project itself nothing is imported before the fork: its settings read the environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
MODULES = (
    "channels.layers",
    "channels_redis.core",
    "daphne.cli",
    "django.contrib.postgres",
    "django.core.handlers.asgi",
    "django.core.management.base",
    "django.db.backends.postgresql.base",
    "langchain.agents",
    "langchain_openai",
    "langgraph.checkpoint.postgres.aio",
    "langgraph.pregel",
    "orjson",
    "PIL.Image",
    "procrastinate.worker",
    "psycopg_pool",
    "redis.asyncio",
    "uvicorn",
    "uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
)
REQUEST_BYTES_MAX = 2**18
PR_SET_PDEATHSIG = 1


class Forked:
    """One such process; like subprocess.Popen, as far as tests need it."""

    def __init__(self, status: int) -> None:
        self.returncode: int | None = None
        self._lock = threading.Lock()
        self._status = os.fdopen(status, "rb", buffering=0)
        self.pid = int(self._status.readline())

    def poll(self) -> int | None:
        """Its exit code, or minus the signal's number, once it has ended."""
        with self._lock:
            if self.returncode is None and select.select([self._status], [], [], 0)[0]:
                line = self._status.readline()
                self.returncode = int(line) if line else -signal.SIGKILL  # the launcher went, and all with it
                self._status.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        while (code := self.poll()) is None:
            with contextlib.suppress(ValueError, OSError):  # another thread saw the end first
                if not select.select([self._status], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Launcher:
    """The process that forks, started at the first use. It ends with this one, and what it forked with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def launch(self, arguments: Sequence[str], env: Mapping[str, str], log: BinaryIO) -> Forked:
        """Start `python ARGUMENTS` in the project's folder."""
        request = json.dumps({"arguments": list(arguments), "env": dict(env)}).encode()
        ours, theirs = os.pipe()
        try:
            with self._lock:
                if self._socket is None:
                    self._socket = _start()
                socket.send_fds(self._socket, [request], [log.fileno(), theirs])
        finally:
            os.close(theirs)
        return Forked(ours)


def _start() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", "tests.services.launcher", str(theirs.fileno())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return ours


launcher = Launcher()


class _Program(NamedTuple):
    arguments: list[str]
    env: dict[str, str]
    log: int


def _serve(connection: socket.socket) -> _Program | None:
    """Fork what is asked for, and tell how it ends. Gives the program in each fork, and None in the end."""
    ends: dict[int, tuple[int, int]] = {}
    with selectors.DefaultSelector() as waiting:
        waiting.register(connection, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fileobj is not connection:
                    waiting.unregister(key.fd)
                    pid, status = ends.pop(key.fd)
                    os.close(key.fd)
                    _, code = os.waitpid(pid, 0)
                    _tell(status, os.waitstatus_to_exitcode(code))
                    os.close(status)
                    continue
                request, descriptors, _, _ = socket.recv_fds(connection, REQUEST_BYTES_MAX, 2)
                if not request:
                    return None
                log, status = descriptors
                if (pid := os.fork()) == 0:
                    connection.close()
                    for descriptor in (status, *ends, *(other for _, other in ends.values())):
                        os.close(descriptor)
                    asked = json.loads(request)
                    return _Program(asked["arguments"], asked["env"], log)
                os.close(log)
                _tell(status, pid)
                ends[end := os.pidfd_open(pid)] = (pid, status)
                waiting.register(end, selectors.EVENT_READ)


def _tell(status: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
        os.write(status, f"{number}\n".encode())


def _become(program: _Program) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.dup2(program.log, 1)
    os.dup2(program.log, 2)
    os.close(program.log)
    os.environ.clear()
    os.environ.update(program.env)
    first, *rest = program.arguments
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = program.arguments
        runpy.run_path(first, run_name="__main__")


def main(descriptor: int) -> None:
    os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"  # as the project's settings have it; read at the import
    for name in MODULES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    program = _serve(socket.socket(fileno=descriptor))
    if program is not None:
        _become(program)


if __name__ == "__main__":
    main(int(sys.argv[1]))
