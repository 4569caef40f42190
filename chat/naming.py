"""Giving a thread its title after the first answer, unless the person has named it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from chat import threads
from chat.agent import titles
from chat.db import in_thread
from chat.models import Message, Thread

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


async def name_thread(thread_id: UUID, model: BaseChatModel) -> None:
    """Ask the model for a title and tell every tab. A thread that has one, or is gone, is left alone."""
    turn = await in_thread(_first_turn, thread_id)
    if turn is not None:
        title = await titles.title(model, *turn)
        await in_thread(_keep, thread_id, title)


def _first_turn(thread_id: UUID) -> tuple[str, str] | None:
    thread = Thread.objects.filter(id=thread_id, title="").first()
    if thread is None:
        return None
    said = Message.objects.filter(thread=thread).order_by("created_at", "id")
    first = said.filter(role=Message.Role.USER).first()
    answer = said.filter(role=Message.Role.ASSISTANT, status=Message.Status.COMPLETE).first()
    return (first.text, answer.text) if first is not None and answer is not None else None


def _keep(thread_id: UUID, title: str) -> None:
    with transaction.atomic():
        thread = Thread.objects.select_for_update().filter(id=thread_id, title="").first()
        if thread is not None:
            threads.rename(thread, title)
