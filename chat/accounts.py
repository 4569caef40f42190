"""Accounts: who may make one, the first of all, which in local mode is the administrator's, and how one goes."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from chat import db, images, threads
from chat.errors import Conflict, Forbidden
from chat.models import Image, Thread

_FIRST_LOCK = 0x46495253


def is_first() -> bool:
    """Whether nobody has an account yet and the site is in local mode: the next one is the administrator."""
    return settings.LOCAL and not User.objects.exists()


def may_sign_up() -> bool:
    """Whether a stranger may make an account here now."""
    return settings.SIGNUP == "open" or is_first()


def sign_up(user: User) -> User:
    """Save a new account. Raises Forbidden where the door is closed, also when somebody else was first just now."""
    with transaction.atomic():
        db.execute("SELECT pg_advisory_xact_lock(%s)", [_FIRST_LOCK])
        if not may_sign_up():
            raise Forbidden("New accounts are made by the administrator here.")
        if is_first():
            user.is_staff = user.is_superuser = True
        user.save()
    return user


def delete(user: User) -> None:
    """Delete the account with its threads, pictures, files, tokens and the agent's memory of all of it.

    Nobody gets in by it from the first moment on. Thread by thread, each in its own transaction: what was begun and cut
    off is finished by the next call. Raises Conflict for the last administrator.
    """
    others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
    if user.is_superuser and not others.exists():
        raise Conflict("This is the only administrator; make somebody else one first.")
    user.is_active = False
    user.save(update_fields=["is_active"])
    for thread_id in Thread.objects.owned_by(user).values_list("id", flat=True):
        threads.delete(user, thread_id)
    with transaction.atomic():
        mine = Image.objects.owned_by(user)
        images.discard_files([name for image in mine for name in (image.file, image.thumbnail)])
        user.delete()
