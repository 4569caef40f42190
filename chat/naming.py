"""Giving a thread its title after the first answer, unless the person has named it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from chat import threads
from chat.agent import titles
from chat.db import in_thread
from chat.models import Run, Thread

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


async def name_thread(thread_id: UUID, model: BaseChatModel) -> None:
    """Ask the model for a title and tell every tab. A thread that has one, or is gone, is left alone."""
    turn = await in_thread(_first_turn, thread_id)
    if turn is not None:
        title = await titles.title(model, *turn)
        await in_thread(_keep, thread_id, title)


def _first_turn(thread_id: UUID) -> tuple[str, str] | None:
    answered = Run.objects.filter(thread_id=thread_id, thread__title="", status=Run.Status.COMPLETED)
    run = answered.select_related("prompt", "answer").order_by("queued_seq").first()
    return (run.prompt.text, run.answer.text) if run is not None and run.answer is not None else None


def _keep(thread_id: UUID, title: str) -> None:
    with transaction.atomic():
        thread = Thread.objects.select_for_update().filter(id=thread_id, title="").first()
        if thread is not None:
            threads.rename(thread, title)
