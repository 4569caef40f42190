"""What a log may not hold."""

from __future__ import annotations

import logging


class WithoutQueries(logging.Filter):
    """Takes the query out of a server's lines about requests: what people search for stands there."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                arg.partition("?")[0] if isinstance(arg, str) and arg.startswith("/") else arg
                for arg in record.args
            )
        return True
