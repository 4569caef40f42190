"""/images: the person's gallery, uploads, metadata."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from ninja import File, Router, Schema
from ninja.files import UploadedFile
from pydantic import Field

from chat import cursors, images, objects, threads
from chat.errors import FrameTooLarge

router = Router(tags=["images"])


class ImagePage(Schema):
    images: list[objects.Image]
    cursor: str | None


@router.get("", response=ImagePage)
def list_images(
    request: HttpRequest,
    q: str = "",
    cursor: str = "",
    limit: Annotated[int, Field(ge=1, le=200)] = 40,
) -> Any:
    """The person's pictures, newest first; with `q`, those whose prompt has its words."""
    before = cursors.place(cursor) if cursor else None
    found = images.find(_user(request), query=q, before=before, limit=limit + 1)
    shown = found[:limit]
    more = len(found) > limit
    return {
        "images": [image.as_object() for image in shown],
        "cursor": cursors.cursor(shown[-1].created_at, shown[-1].id) if more else None,
    }


@router.post("", response={201: objects.Image})
def upload_image(request: HttpRequest, file: File[UploadedFile]) -> Any:
    """Upload a PNG, JPEG, WebP or GIF picture; it is kept as WebP, without its metadata."""
    if (file.size or 0) > settings.UPLOAD_BYTES_MAX:
        raise FrameTooLarge(f"A picture may have {settings.UPLOAD_BYTES_MAX // 2**20} MB.")
    return 201, images.upload(_user(request), file.read(), file.name or "").as_object()


@router.get("/{image_id}", response=objects.Image)
def read_image(request: HttpRequest, image_id: UUID) -> Any:
    """One picture's metadata."""
    return images.get(_user(request), image_id).as_object()


@router.delete("/{image_id}", response={204: None})
def delete_image(request: HttpRequest, image_id: UUID) -> Any:
    """Delete a picture with its files, wherever it is shown."""
    threads.delete_image(_user(request), image_id)
    return 204, None


def _user(request: HttpRequest) -> Any:
    return request.auth  # type: ignore[attr-defined]
