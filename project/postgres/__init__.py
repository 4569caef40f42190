"""The project's database: the one in DATABASE_URL, or a Postgres that comes with the project.

Owns where the database is and how to reach it. The embedded server (`server.py`, `keeper.py`) starts when something
first connects, never because settings were imported, and ends when the last process that uses it has ended.
This package is also the Django backend, of either (`base.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from project.postgres.programs import EmbeddedPostgresError
from project.postgres.server import Server

__all__ = ["EmbeddedPostgresError", "Server", "conninfo", "database"]

NAME = "backdrop"

RECONNECT_SECONDS = 2.0
"""How long a pool tries to reach a server that went away, before it waits for somebody to ask: its pauses grow."""

# Of a process that is paused, or a machine that lost its power, within a transaction: its locks must not outlive it for
# long, for whoever takes its work over needs them. And who waits for a lock is told so, not left waiting. Postgres
# counts for each lock: who finds others waiting for a row waits for two, to be the next of them and for the row.
_SESSION = "-c idle_in_transaction_session_timeout=4s -c lock_timeout=2s"


def database(url: str | None, data_dir: Path) -> dict[str, Any]:
    """One entry of Django's DATABASES: the database at `url`, or the embedded one below `data_dir`. Starts nothing."""
    if url:
        import environ
        from django.core.exceptions import ImproperlyConfigured

        if not url.startswith(("postgres://", "postgresql://")):
            raise ImproperlyConfigured(
                "DATABASE_URL must look like postgresql://user:password@host:5432/name."
            )
        settings: dict[str, Any] = {**environ.Env.db_url_config(url), "ENGINE": "project.postgres"}
    else:
        server = Server(data_dir)
        settings = {
            "ENGINE": "project.postgres",
            "NAME": NAME,
            "USER": server.user,
            "HOST": str(server.socket_dir),
            "DATA_DIR": str(data_dir),
        }
    # Under ASGI a connection belongs to no thread for long: Django's own persistence would leak one per thread.
    settings["CONN_MAX_AGE"] = 0
    # The backend looks at every connection that leaves the pool by itself; this would ask the server.
    settings["CONN_HEALTH_CHECKS"] = False
    options = settings.setdefault("OPTIONS", {})
    options.setdefault(
        "pool", {"min_size": 1, "max_size": 10, "timeout": 4, "reconnect_timeout": RECONNECT_SECONDS}
    )
    options["options"] = f"{_SESSION} {options.get('options', '')}".strip()
    return settings


def conninfo() -> str:
    """The libpq connection string of Django's default database, for pools that are not Django's.

    Starts the embedded server where that is the database, which can block for two seconds the first time.
    """
    from django.db import connections
    from psycopg.conninfo import make_conninfo

    params = connections["default"].get_connection_params()
    for not_of_libpq in ("context", "cursor_factory", "prepare_threshold"):
        params.pop(not_of_libpq, None)
    return make_conninfo(**params)
