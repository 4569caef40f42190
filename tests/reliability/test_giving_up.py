"""A run that ends its worker every time ends itself, in words."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import User

from chat import commands, runs, threads
from chat.db import in_thread
from chat.models import Message, Run
from chat.runs.claims import LOST_MAX
from tests.services.databases import Database


async def test_a_run_whose_workers_are_lost_again_and_again_fails_and_can_be_retried(
    database: Database,
) -> None:
    def lose() -> None:
        thread = threads.create(User.objects.create(username="ada"))
        said = commands.SendMessage(id="1", text="the question that kills")
        run_id = uuid.UUID(runs.honour(thread.owner, thread.id, said)["run_id"])
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
