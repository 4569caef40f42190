"""Django's Postgres backend on the embedded server: makes sure that it runs before anyone connects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db.backends.postgresql import base

from project.postgres.server import Server


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        # Every way to a connection asks for these first: Django's own, its pool, procrastinate and conninfo().
        Server(Path(self.settings_dict["DATA_DIR"])).ensure()
        params: dict[str, Any] = super().get_connection_params()
        return params
