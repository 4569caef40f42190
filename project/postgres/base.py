"""Django's Postgres backend as this project uses it: on the embedded server too, and with a pool that asks nothing."""

from __future__ import annotations

import select
from pathlib import Path
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool

from project.postgres.server import Server


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        # Every way to a connection asks for these first: Django's own, its pool, procrastinate and conninfo().
        if "DATA_DIR" in self.settings_dict:
            Server(Path(self.settings_dict["DATA_DIR"])).ensure()
        params: dict[str, Any] = super().get_connection_params()
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> psycopg.Connection[Any]:
        """A connection that is open: a server that was restarted must not cost anybody an error.

        Django's own check (CONN_HEALTH_CHECKS) asks the server, one statement for each connection that is taken.
        """
        while True:
            connection: psycopg.Connection[Any] = super().get_new_connection(conn_params)
            pool = self.pool
            if not pool or _is_open(connection):
                return connection
            connection.close()
            pool.putconn(connection)  # which takes another in its place


def _is_open(connection: psycopg.Connection[Any]) -> bool:
    # A closed socket has something to read, its end; an open and idle one has not. The server is asked in doubt only.
    try:
        look = select.poll()
        look.register(connection.fileno(), select.POLLIN)
        if look.poll(0):
            ConnectionPool.check_connection(connection)
    except psycopg.OperationalError:
        return False
    return True
