"""The end of a process that was told to stop: it comes, whatever its threads still wait for."""

from __future__ import annotations

import os
import threading


def within(seconds: float) -> None:
    """End the process after so long, if it has not ended by itself by then.

    Python waits for the threads of its executors before it ends; one that asks a frozen database waits for ever.
    """
    timer = threading.Timer(seconds, os._exit, (0,))
    timer.daemon = True
    timer.start()
