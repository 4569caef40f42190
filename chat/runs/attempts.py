"""Attempts: what became of each worker's go at a run, as `Run.attempts` tells it. Who changes them saves the run."""

from __future__ import annotations

from datetime import datetime

from chat.models import Run


def begin(run: Run, worker: str, now: datetime) -> None:
    """A worker has picked the run up. Of an attempt before that has not ended nobody knows more: it was lost."""
    end(run, Run.BrokenOff.LOST, now)
    run.attempts.append({"attempt": run.attempt, "worker": worker, "started_at": now.isoformat()})


def end(run: Run, outcome: Run.Status | Run.BrokenOff, now: datetime) -> None:
    """The newest attempt has come to this; one that has ended already has no other end."""
    if run.attempts and "outcome" not in run.attempts[-1]:
        run.attempts[-1] |= {"outcome": str(outcome), "ended_at": now.isoformat()}


def lost_in_a_row(run: Run) -> int:
    """How many of its newest attempts were lost, one after the other. One that was handed over shows that the run
    leaves its workers alive."""
    ends = [attempt.get("outcome", Run.BrokenOff.LOST) for attempt in reversed(run.attempts)]
    return next((count for count, outcome in enumerate(ends) if outcome != Run.BrokenOff.LOST), len(ends))
