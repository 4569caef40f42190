"""One child process that ends with the test run, however that ends."""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tests.services.launcher import Forked, launcher

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 30.0
STOP_SECONDS = 25.0
END_SECONDS = 60.0
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Process:
    """A command with its environment and its log; can be started again after it ended.

    The environment is the test run's, changed by `env`.
    """

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.command = list(command)
        self.log_path = log
        self.env = dict(env or {})
        self._process: subprocess.Popen[bytes] | Forked | None = None

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def spawn(self) -> None:
        """Start it and return at once."""
        assert not self.alive, f"already running: {self.command}"
        with self.log_path.open("ab") as log:
            self._process = self._start({**os.environ, **self.env}, log)

    def _start(self, env: Mapping[str, str], log: BinaryIO) -> subprocess.Popen[bytes] | Forked:
        return subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_die_with_parent,
        )

    async def ready(self, check: Callable[[], Awaitable[bool]], seconds: float = READY_SECONDS) -> None:
        """Wait until `check` holds. Fails with the log when it does not, or when the process ends first."""
        deadline = time.monotonic() + seconds
        while not await check():
            if not self.alive:
                raise AssertionError(f"ended before it was ready: {self.command}\n{self.log()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"not ready within {seconds:g} s: {self.command}\n{self.log()}")
            await asyncio.sleep(0.02)

    def send_signal(self, number: signal.Signals) -> None:
        """SIGSTOP and SIGCONT pause it and let it go on."""
        self._running().send_signal(number)

    def kill(self) -> None:
        """SIGKILL: it gets no chance to say good-bye."""
        if self.alive:
            self._running().kill()
        if self._process is not None:
            self._process.wait()

    def terminate(self, seconds: float = STOP_SECONDS) -> int:
        """SIGTERM, and its exit code. Fails when it is still there after `seconds`."""
        process = self._running()
        process.terminate()
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"still running {seconds:g} s after SIGTERM: {self.command}\n{self.log()}"
            ) from None

    async def ended(self, seconds: float = END_SECONDS) -> int:
        """Wait until it has ended by itself, and give its exit code. Fails when it is still there after `seconds`."""
        try:
            return await asyncio.to_thread(self._running().wait, seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {seconds:g} s: {self.command}\n{self.log()}") from None

    async def stopped(self, seconds: float = STOP_SECONDS) -> int:
        """SIGTERM like `terminate`, while this process's event loop goes on."""
        return await asyncio.to_thread(self.terminate, seconds)

    def _running(self) -> subprocess.Popen[bytes] | Forked:
        assert self._process is not None, f"not started: {self.command}"
        return self._process


class Python(Process):
    """`python ARGUMENTS` in the project's folder, started at once; see launcher.py."""

    def __init__(self, arguments: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        super().__init__([sys.executable, *arguments], log, env)

    def _start(self, env: Mapping[str, str], log: BinaryIO) -> subprocess.Popen[bytes] | Forked:
        if sys.platform != "linux":
            return super()._start(env, log)
        return launcher.launch(self.command[1:], env, log)


def free_port() -> int:
    """A port that nobody has and that no outgoing connection will be given meanwhile."""
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def _die_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
