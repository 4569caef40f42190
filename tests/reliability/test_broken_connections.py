"""The connection breaks while a picture's row is being saved, as it does for a worker that was frozen there."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import OperationalError, connection, transaction

from chat import images
from chat.models import Image
from tests.services.databases import Database

ENCODED = images.Encoded(b"picture", b"thumbnail", 1, 1, {})


def break_connection(database: Database) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    database.query("SELECT pg_terminate_backend(%s, 5000)", pid)
    Image.objects.count()


def are_kept(image: Image) -> list[bool]:
    return [default_storage.exists(name) for name in (image.file, image.thumbnail)]


def test_files_whose_row_was_not_committed_are_deleted(database: Database) -> None:
    image = save(database, transaction.atomic())
    assert are_kept(image) == [False, False]
    assert not Image.objects.exists()


def test_files_whose_row_was_committed_stay(database: Database) -> None:
    image = save(database, nullcontext())
    assert are_kept(image) == [True, True]
    assert Image.objects.get() == image


def save(database: Database, within: AbstractContextManager[Any]) -> Image:
    """Save a picture, and lose the connection before the context is left."""
    ada = User.objects.create(username="ada")
    try:
        with images.keeping(ENCODED, owner=ada, prompt="") as image, within:
            image.save(force_insert=True)
            assert are_kept(image) == [True, True]
            break_connection(database)
    except OperationalError:
        return image
    raise AssertionError("the connection is whole")
