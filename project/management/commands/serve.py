"""`serve`: everything in one process. Prepares the database and serves the site with Daphne on a loopback port."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from typing import Any

from daphne.server import Server
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

HOST = "127.0.0.1"
DEFAULT_PORT = 8000
PORTS_TRIED = 100
PR_SET_PDEATHSIG = 1


class Command(BaseCommand):
    help = "Prepares the database and serves the site on 127.0.0.1: PORT, or 8000, or the next free one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--with-parent",
            action="store_true",
            help="end when the process that started this one ends (Linux)",
        )

    def handle(self, *args: Any, with_parent: bool, **options: Any) -> None:
        if with_parent:
            _end_with_parent()
        wanted = _wanted_port()
        self._say("Preparing the database.")
        call_command("migrate", verbosity=0, interactive=False)
        if not settings.LOCAL:
            call_command("collectstatic", verbosity=0, interactive=False)
        listener = _listen(wanted)
        port = listener.getsockname()[1]
        if port != wanted:
            self._say(f"Port {wanted} is taken.")
        from project.asgi import application  # takes a second: not for those who only ask for help

        server = Server(
            application,
            # Daphne would report a taken port and go on, serving nothing. This one is already ours.
            endpoints=[f"fd:fileno={listener.fileno()}"],
            ready_callable=lambda: self._say(f"Backdrop is at http://{HOST}:{port}/ (Ctrl-C ends it)"),
            server_name="",
        )
        server.run()

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _wanted_port() -> int:
    given = os.environ.get("PORT") or str(DEFAULT_PORT)
    if not given.isdecimal() or not 0 < int(given) < 65536:
        raise CommandError(f"PORT is {given!r}; it must be a number from 1 to 65535.")
    return int(given)


def _listen(wanted: int) -> socket.socket:
    """A listening socket on the wanted port, or on the next one that is free."""
    for port in range(wanted, min(wanted + PORTS_TRIED, 65536)):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(1024)
        except PermissionError as error:
            raise CommandError(f"port {port} may not be used: {error.strerror}") from error
        except OSError:
            listener.close()
            continue
        return listener
    raise CommandError(f"no free port from {wanted} on.")


def _end_with_parent() -> None:
    """Have the kernel send SIGTERM when the parent dies: a SIGKILL to `make` reaches `make` alone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
