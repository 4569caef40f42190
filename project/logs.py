"""What a log may not hold."""

from __future__ import annotations

import logging

from django.conf import settings


class WithoutQueries(logging.Filter):
    """Takes the query out of a server's lines about requests: what people search for stands there."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                arg.partition("?")[0] if isinstance(arg, str) and arg.startswith("/") else arg
                for arg in record.args
            )
        return True


class WithoutNotReady(logging.Filter):
    """Keeps the probe's 503 out of the errors: a process that is not ready has answered as it should."""

    def filter(self, record: logging.LogRecord) -> bool:
        path = getattr(getattr(record, "request", None), "path", None)
        return not (path in settings.PROBES and getattr(record, "status_code", None) == 503)
