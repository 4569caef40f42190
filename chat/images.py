"""Pictures: check, store, find and delete them. Files lie in private storage, rows say whose they are.

Every picture is decoded and encoded again before it is kept: what is served is an image and nothing else, without the
metadata that a camera or an editor put in.
"""

from __future__ import annotations

import io
import threading
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import PIL.ExifTags
import PIL.Image
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction

from chat import limits
from chat.errors import InvalidField, NotFound
from chat.models import Image

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
PIXELS_MAX = 40_000_000
SIDE_MAX = 4096
THUMBNAIL_SIDE = 640
VIEW_SIDE = 1024
VIEWS_KEPT = 32
UPRIGHT = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
"""How a picture is turned for each EXIF orientation."""

_decoding = threading.Semaphore(2)
"""A picture of PIXELS_MAX takes some 300 MB while it is decoded: so many at a time, whatever comes in."""


class Encoded(NamedTuple):
    """A picture ready to be kept: WebP, with its thumbnail and the accent that it lends to a page."""

    data: bytes
    thumbnail: bytes
    width: int
    height: int
    accent: dict[str, str]


def encode(data: bytes) -> Encoded:
    """Decode whatever picture this is, and encode it for keeping. Takes a moment of CPU.

    Raises InvalidField where it is none of FORMATS, is broken, or has more pixels than PIXELS_MAX.
    """
    from chat.agent.painter import accent  # numpy; only where a picture is made

    with _decoding:
        picture = _decode(data)
        small = picture.copy()
        small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        return Encoded(
            _webp(picture, 88), _webp(small, 80), picture.width, picture.height, accent.accent(small)
        )


def _decode(data: bytes) -> PIL.Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            opened = PIL.Image.open(io.BytesIO(data), formats=FORMATS)
            if opened.width * opened.height > PIXELS_MAX:
                raise InvalidField(
                    f"A picture may have {PIXELS_MAX // 1_000_000} million pixels.", field="file"
                )
            opened.draft("RGB", (SIDE_MAX, SIDE_MAX))  # a JPEG can be read smaller than it is
            orientation = opened.getexif().get(PIL.ExifTags.Base.Orientation, 1)
            picture = _flat(opened)
            picture.thumbnail((SIDE_MAX, SIDE_MAX))
            return picture.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else picture
    except InvalidField:
        raise
    except Exception as error:  # a decoder raises whatever a broken file makes it raise
        raise InvalidField(
            "This is not a PNG, JPEG, WebP or GIF picture, or it is broken.", field="file"
        ) from error


def _flat(picture: PIL.Image.Image) -> PIL.Image.Image:
    """The (first) picture in RGB; what was transparent is white."""
    if picture.mode == "I;16":  # its own conversion would cut the values off, not scale them
        return picture.point(lambda value: value / 256).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    over = picture.convert("RGBA")
    flat = PIL.Image.new("RGB", over.size, "white")
    flat.paste(over, mask=over.getchannel("A"))
    return flat


def _webp(picture: PIL.Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=quality, method=2)
    return out.getvalue()


@contextmanager
def keeping(encoded: Encoded, **fields: Any) -> Iterator[Image]:
    """Write the files, and give the row to be saved: files first, so that no row ever lacks its file.

    Where saving fails the files are deleted again.
    """
    image = Image(
        id=uuid.uuid4(),
        mime="image/webp",
        width=encoded.width,
        height=encoded.height,
        accent=encoded.accent,
        **fields,
    )
    image.file, image.thumbnail = f"images/{image.id}.webp", f"images/{image.id}.small.webp"
    try:
        for name, data in ((image.file, encoded.data), (image.thumbnail, encoded.thumbnail)):
            if default_storage.save(name, ContentFile(data)) != name:
                raise FileExistsError(name)
        yield image
    except (OperationalError, InterfaceError):
        if not _may_be_saved(image):
            _delete_files(image)
        raise
    except BaseException:
        _delete_files(image)
        raise


def _may_be_saved(image: Image) -> bool:
    """Whether the row is there, or may be: the connection broke, as that of a process that was frozen does.

    The server may still be at the broken transaction, so the row is written once more and taken back: that waits for
    its end. Where the database does not answer, housekeeping finds the files.
    """
    connection.close()
    try:
        with transaction.atomic():
            image.save(force_insert=True)
            transaction.set_rollback(True)
    except IntegrityError:
        return Image.objects.filter(id=image.id).exists()
    except (OperationalError, InterfaceError):
        return True
    return False


def _delete_files(image: Image) -> None:
    for name in (image.file, image.thumbnail):
        default_storage.delete(name)


@lru_cache(maxsize=VIEWS_KEPT)
def view(name: str) -> bytes:
    """A kept file as a model looks at it: a JPEG of at most VIEW_SIDE a side. Raises FileNotFoundError.

    A thread's pictures are looked at again at every call of the model; the last ones are kept at hand.
    """
    with _decoding, default_storage.open(name) as file:
        picture = PIL.Image.open(file, formats=("WEBP",))
        picture.thumbnail((VIEW_SIDE, VIEW_SIDE))
        out = io.BytesIO()
        picture.convert("RGB").save(out, "JPEG", quality=80)
    return out.getvalue()


def upload(user: Any, data: bytes, name: str) -> Image:
    """Keep a picture that a person uploaded. Raises RateLimited, InvalidField."""
    limits.upload(user.pk)
    if len(data) > settings.UPLOAD_BYTES_MAX:
        raise InvalidField(f"A picture may have {settings.UPLOAD_BYTES_MAX // 2**20} MB.", field="file")
    with keeping(encode(data), owner=user, prompt=name.replace("\x00", "")[:200]) as image:
        image.save(force_insert=True)
    return image


def get(user: Any, image_id: UUID) -> Image:
    """The person's own picture. Raises NotFound."""
    image = Image.objects.owned_by(user).filter(id=image_id).first()
    if image is None:
        raise NotFound("There is no such picture.")
    return image


def find(
    user: Any, *, query: str = "", before: tuple[datetime, UUID] | None = None, limit: int = 40
) -> list[Image]:
    """The person's pictures, newest first, whose prompt has all the words of the query; those behind a place."""
    found = Image.objects.owned_by(user).order_by("-created_at", "-id")
    for word in query.split()[:8]:
        found = found.filter(prompt__icontains=word)
    if before is not None:
        created_at, id_ = before
        found = found.filter(created_at__lte=created_at).exclude(created_at=created_at, id__gte=id_)
    return list(found[:limit])


def delete(gone: Sequence[Image]) -> None:
    """Delete pictures with their files, in the caller's transaction; it tells the threads that show them."""
    Image.objects.filter(id__in=[image.id for image in gone]).delete()
    discard_files([name for image in gone for name in (image.file, image.thumbnail)])


def discard_files(names: list[str]) -> None:
    """Delete files once the transaction that let go of their rows is committed."""

    def discard() -> None:
        for name in names:
            default_storage.delete(name)

    transaction.on_commit(discard)


def keep_preview(thread_id: UUID, data: bytes) -> str:
    """Keep a partial picture for as long as its run lasts; gives its name below the thread."""
    name = f"{uuid.uuid4().hex}.jpg"
    default_storage.save(preview_path(thread_id, name), ContentFile(data))
    return name


def preview_path(thread_id: UUID, name: str) -> str:
    return f"previews/{thread_id}/{name}"
