"""Who is asking: a session of the site, or a bearer token; and from which page."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.http.cookie import parse_cookie
from django.utils.module_loading import import_string

from chat import db
from chat.models import Token

PREFIX = "bd_"

_OWNER = """
SELECT person.id AS owner_id, token.id AS token_id,
       coalesce(token.last_used_at < now() - interval '1 minute', true) AS is_to_be_marked, person.*
FROM chat_token AS token JOIN auth_user AS person ON person.id = token.owner_id
WHERE token.digest = %s AND person.is_active
"""
_MARK_AS_USED = "UPDATE chat_token SET last_used_at = now() WHERE id = %s"


def make_token(owner: Any, name: str) -> tuple[Token, str]:
    """A new token, and its text, which is shown once and kept nowhere."""
    text = PREFIX + secrets.token_urlsafe(32)
    return Token.objects.create(owner=owner, name=name, digest=digest(text)), text


def digest(text: str) -> str:
    """How a token is known here. It is random and long, so that a plain digest cannot be turned back."""
    return hashlib.sha256(text.encode()).hexdigest()


class Credential(NamedTuple):
    """What a person came in with: the key of a session, or the digest of a token."""

    kind: Literal["session", "token"]
    value: str


def credential(authorization: str | None, cookies: Mapping[str, str]) -> Credential | None:
    """What a request shows. A token that is given counts alone, even where a session would do."""
    token = bearer(authorization)
    if token is not None:
        return Credential("token", digest(token))
    key = cookies.get(settings.SESSION_COOKIE_NAME)
    return Credential("session", key) if key else None


def credential_of_headers(headers: Iterable[tuple[bytes, bytes]]) -> Credential | None:
    """What a handshake shows."""
    found = {name.lower(): value.decode("latin1") for name, value in headers}
    return credential(found.get(b"authorization"), parse_cookie(found.get(b"cookie", "")))


def user_of(shown: Credential | None) -> Any | None:
    """The active person whom the credential lets in now, or None."""
    if shown is None:
        return None
    return _user_of_token(shown.value) if shown.kind == "token" else _user_of_session(shown.value)


async def user_id_of(shown: Credential) -> int | None:
    """The id of the active person whom the credential lets in now, or None. A token is asked for without a thread."""
    if shown.kind == "session":
        user = await db.in_thread(_user_of_session, shown.value)
        return None if user is None else user.pk
    pool = await db.pool()
    async with pool.connection() as conn:
        found = await (await conn.execute(_OWNER, (shown.value,))).fetchone()
        if found is None:
            return None
        owner_id, token_id, is_to_be_marked, *_ = found
        if is_to_be_marked:
            await conn.execute(_MARK_AS_USED, (token_id,))
        return int(owner_id)


def user_of_token(text: str) -> Any | None:
    """The active owner of the token, or None."""
    return _user_of_token(digest(text))


def _user_of_token(digested: str) -> User | None:
    found: list[Any] = list(User.objects.raw(_OWNER, [digested]))
    if not found:
        return None
    if found[0].is_to_be_marked:
        db.execute(_MARK_AS_USED, [found[0].token_id])
    user: User = found[0]
    return user


def _user_of_session(key: str) -> Any | None:
    """Asked of Django, as a view would."""
    request = HttpRequest()
    store: type[SessionBase] = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    request.session = store(key)
    # Where SECRET_KEY has changed, Django gives the session a new key, of which this browser would not hear.
    request.session.cycle_key = _stay  # type: ignore[method-assign]
    user = get_user(request)
    return user if user.is_authenticated and user.is_active else None


def _stay() -> None:
    """In place of a session's `cycle_key`."""


def bearer(header: str | None) -> str | None:
    """The token of an Authorization header."""
    if header is None:
        return None
    scheme, _, text = header.partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


def is_own_origin(origin: str, host: str, secure: bool) -> bool:
    """Whether a page of this site is asking: scheme, host and port, exactly.

    In local mode the site's origin is the one that the request itself came to, which ALLOWED_HOSTS limits to loopback.
    """
    if not settings.LOCAL:
        return origin in settings.ORIGINS
    own = urlsplit(f"{'https' if secure else 'http'}://{host}")
    asked = urlsplit(origin)
    try:
        same = (asked.scheme, asked.hostname, asked.port) == (own.scheme, own.hostname, own.port)
    except ValueError:
        return False
    return same and (own.hostname or "") in {name.strip("[]") for name in settings.ALLOWED_HOSTS}
