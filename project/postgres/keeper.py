"""The process that keeps one embedded Postgres: `python -m project.postgres.keeper DATA_DIR DURABLE`.

It belongs to no terminal and outlives whoever started it. It starts Postgres, starts it again if it dies, and stops
it once nobody holds `users.lock` any more. Standard library only, so that it is there in a blink.
"""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Literal

from project.postgres.orphan import FAST_STOP_SECONDS, stop_orphan
from project.postgres.programs import binary, unprivileged
from project.postgres.server import Server

# A server that dies this soon after its start would only die again.
HEALTHY_SECONDS = 5.0

News = Literal["unused", "died"]


def main() -> int:
    server = Server(Path(sys.argv[1]), durable=sys.argv[2] == "1")
    news: SimpleQueue[News] = SimpleQueue()
    # A supervisor that ends a service signals all its processes at once, and the app needs its database to end well.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    with (
        (server.directory / "users.lock").open("ab") as users,
        (server.directory / "keeper.lock").open("ab") as one,
    ):
        # Whoever started this keeper holds start.lock: another one can only be the last moment of its predecessor.
        fcntl.flock(one, fcntl.LOCK_EX)
        _thread(_wait_for_users, users, news)
        early_deaths_left = 0  # of the first start: whoever waits for it should hear at once that it failed
        while True:
            started = time.monotonic()
            process = _start(server)
            _thread(_wait_for_end, process, news)
            if news.get() == "unused":
                _stop(process)
                return 0
            if time.monotonic() - started > HEALTHY_SECONDS:
                early_deaths_left = 20
            elif early_deaths_left == 0:
                return 1
            # Children of a killed server need a moment to notice; until then a new one refuses to start.
            early_deaths_left -= 1
            time.sleep(0.25)
            stop_orphan(server)


def _start(server: Server) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{server.socket_dir}"',
        "unix_socket_permissions": "0700",
        # A test run has dozens of processes on it, the application a few; each keeps up to forty connections.
        "max_connections": "200" if server.durable else "1000",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # Every query here is small: compiling one costs more than it can save.
        "jit": "off",
        # Nobody replicates from it, so the log need hold no more than a crash needs.
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "512MB",
        "log_checkpoints": "off",
        # What people wrote stands in the statements, and in the details, of what failed: neither belongs in a log.
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
    }
    if not server.durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    command = [str(binary("postgres")), "-D", str(server.data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    command, arguments = unprivileged(command, server.directory, server.socket_dir)
    return subprocess.Popen(command, cwd=server.directory, stdin=subprocess.DEVNULL, **arguments)  # type: ignore[call-overload, no-any-return]


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Fast: open transactions are rolled back, and nobody is waited for."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(FAST_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait()


def _wait_for_users(users: IO[bytes], news: SimpleQueue[News]) -> None:
    # Granted when the last user has let go. Held until this process ends: the next user waits until the server is down.
    fcntl.flock(users, fcntl.LOCK_EX)
    news.put("unused")


def _wait_for_end(process: subprocess.Popen[bytes], news: SimpleQueue[News]) -> None:
    process.wait()
    news.put("died")


def _thread(target: object, *arguments: object) -> None:
    threading.Thread(target=target, args=arguments, daemon=True).start()  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
