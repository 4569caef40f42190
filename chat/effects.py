"""What a tool may do to the world, on behalf of one claimed run: chat.agent.context.Effects, on rows and files.

Every effect checks the claim in the transaction that makes it: a worker that lost its run changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from chat import images, objects, runs, threads
from chat.agent.context import BackgroundChoice
from chat.db import in_thread
from chat.errors import ChatError, Unavailable
from chat.models import Image, Thread, ToolCall

if TYPE_CHECKING:
    from chat.agent.painter import Picture


class RunEffects:
    """The effects of one attempt of a run."""

    def __init__(self, claim: runs.Claim) -> None:
        self._claim = claim

    async def find_image(self, tool_call_id: str) -> objects.Image | None:
        return await in_thread(self._find_image, tool_call_id)

    async def begin(self, tool_call_id: str, name: str) -> bool:
        return await in_thread(self._begin, tool_call_id, name)

    async def save_image(
        self, tool_call_id: str, prompt: str, picture: Picture, as_background: bool
    ) -> objects.Image:
        encoded = await in_thread(images.encode, picture.data)
        return await in_thread(self._save_image, tool_call_id, prompt, encoded, as_background)

    async def save_preview(self, tool_call_id: str, data: bytes, mime: str) -> str:
        name = await in_thread(images.keep_preview, self._claim.thread_id, data)
        return reverse("preview", args=[self._claim.thread_id, name])

    async def view(self, image_id: str) -> bytes | None:
        return await in_thread(self._view, image_id)

    async def recent_images(self, limit: int) -> list[objects.Image]:
        return await in_thread(self._recent_images, limit)

    async def set_background(self, background: BackgroundChoice | None) -> None:
        try:
            await in_thread(self._set_background, background)
        except Unavailable:
            raise
        except ChatError as error:
            raise LookupError(error.message) from error

    def _find_image(self, tool_call_id: str) -> objects.Image | None:
        found = Image.objects.filter(run_id=self._claim.run_id, tool_call_id=tool_call_id).first()
        return found.as_object() if found is not None else None

    def _begin(self, tool_call_id: str, name: str) -> bool:
        with transaction.atomic():
            run = runs.owned(self._claim)
            call, _ = ToolCall.objects.get_or_create(
                run=run,
                tool_call_id=tool_call_id,
                defaults={"message_id": self._claim.answer_id, "name": name, "started_at": timezone.now()},
            )
            begun_before, call.begun = call.begun, True
            call.save(update_fields=["begun"])
            return begun_before

    def _save_image(
        self, tool_call_id: str, prompt: str, encoded: images.Encoded, as_background: bool
    ) -> objects.Image:
        found = self._find_image(tool_call_id)
        if found is not None:
            return found
        kept = images.keeping(
            encoded,
            owner_id=self._claim.owner_id,
            thread_id=self._claim.thread_id,
            run_id=self._claim.run_id,
            message_id=self._claim.answer_id,
            tool_call_id=tool_call_id,
            prompt=prompt,
        )
        with kept as image, transaction.atomic():
            thread = self._owned_thread()
            image.save(force_insert=True)
            if as_background:
                threads.set_background(
                    thread, {"kind": "image", "image_id": image.id}, fence=self._claim.fence
                )
        return image.as_object()

    def _view(self, image_id: str) -> bytes | None:
        file = Image.objects.filter(owner_id=self._claim.owner_id, id=image_id).values_list("file", flat=True)
        try:
            return images.view(file[0]) if file else None
        except FileNotFoundError:
            return None

    def _recent_images(self, limit: int) -> list[objects.Image]:
        found = Image.objects.filter(owner_id=self._claim.owner_id).order_by("-created_at", "-id")[:limit]
        return [image.as_object() for image in found]

    def _set_background(self, background: BackgroundChoice | None) -> None:
        with transaction.atomic():
            threads.set_background(
                self._owned_thread(), dict(background) if background else None, self._claim.fence
            )

    def _owned_thread(self) -> Thread:
        return runs.owned(self._claim).thread
