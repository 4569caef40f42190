"""Accounts: who may make one, and the first of all, which in local mode is the administrator's."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from chat import db
from chat.errors import Forbidden

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
