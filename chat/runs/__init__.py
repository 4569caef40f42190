"""Runs: start, stop, retry; claim one for a worker, note what it does, finish it.

Each function is one transaction that changes rows and records the events of that change together. All of them begin
with the lock of the thread's row, so that within a thread they happen one after the other, in whichever process.
What happens between claim and finish is execution.py's.

One run of a thread is at work at a time. Only the first unfinished run of a thread has a job; the one that ends
before it gives it one, in the transaction that ends it.
"""

from chat.runs.claims import (
    TITLE,
    Claim,
    announce_image,
    claim,
    complete,
    fail,
    hand_over,
    note_tool_call,
    owned,
    restart,
)
from chat.runs.requests import honour
from chat.runs.revival import revive
from chat.runs.rows import EXECUTE, Ending

__all__ = [
    "EXECUTE",
    "TITLE",
    "Claim",
    "Ending",
    "announce_image",
    "claim",
    "complete",
    "fail",
    "hand_over",
    "honour",
    "note_tool_call",
    "owned",
    "restart",
    "revive",
]
