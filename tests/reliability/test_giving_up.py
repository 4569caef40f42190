"""A run that ends its worker every time ends itself, in words; one that is only handed over does not."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import User

from chat import commands, runs, threads
from chat.db import in_thread
from chat.errors import RunLost
from chat.models import Message, Run, Thread
from chat.runs.claims import LOST_MAX
from tests.services.databases import Database


def asked() -> tuple[Thread, uuid.UUID]:
    """A thread and its run, which no worker has yet."""
    thread = threads.create(User.objects.create(username="ada"))
    said = commands.SendMessage(id="1", text="the question that kills")
    return thread, uuid.UUID(runs.honour(thread.owner, thread.id, said)["run_id"])


async def test_a_run_whose_workers_are_lost_again_and_again_fails_and_can_be_retried(
    database: Database,
) -> None:
    def lose() -> None:
        thread, run_id = asked()
        for _ in range(LOST_MAX):
            assert runs.claim(run_id, "somebody")
        assert runs.claim(run_id, "somebody") is None
        run = Run.objects.get(id=run_id)
        assert run.error
        assert run.answer_id
        assert (run.status, run.error["code"], run.error["retryable"]) == ("failed", "gave_up", True)
        assert Message.objects.get(id=run.answer_id).status == "failed"
        runs.honour(thread.owner, thread.id, commands.Retry(id="2", run_id=run_id))
        assert runs.claim(run_id, "somebody")

    await in_thread(lose)


async def test_a_run_that_is_handed_over_again_and_again_goes_on(database: Database) -> None:
    def hand_over() -> None:
        _, run_id = asked()
        for _ in range(LOST_MAX + 1):
            claim = runs.claim(run_id, "somebody")
            assert claim
            runs.hand_over(claim)
        lost = runs.claim(run_id, "somebody")
        claim = runs.claim(run_id, "another")
        assert lost
        assert claim
        ending = runs.Ending(text="too late", reasoning="")
        with pytest.raises(RunLost):
            runs.hand_over(lost)
        with pytest.raises(RunLost):
            runs.restart(lost, "", "")
        with pytest.raises(RunLost):
            runs.complete(lost, ending)
        with pytest.raises(RunLost):
            runs.fail(lost, ending)
        runs.complete(claim, runs.Ending(text="done", reasoning=""))
        told = [attempt["outcome"] for attempt in Run.objects.get(id=run_id).attempts]
        assert told == ["handed_over"] * (LOST_MAX + 1) + ["lost", "completed"]

    await in_thread(hand_over)


async def test_a_run_counts_as_recovered_where_it_broke_off_and_not_where_a_person_had_it_tried_again(
    database: Database,
) -> None:
    def go_on() -> None:
        thread, run_id = asked()

        def recovered() -> bool:
            return Run.objects.get(id=run_id).as_object().recovered

        assert runs.claim(run_id, "somebody")
        assert not recovered()
        claim = runs.claim(run_id, "another")
        assert claim
        assert recovered()
        runs.fail(claim, runs.Ending(text="", reasoning=""))
        assert not recovered()
        runs.honour(thread.owner, thread.id, commands.Retry(id="2", run_id=run_id))
        assert not recovered()
        assert runs.claim(run_id, "somebody")
        assert not recovered()
        assert runs.claim(run_id, "another")
        assert recovered()

    await in_thread(go_on)
