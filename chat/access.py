"""Who is asking: a session of the site, or a bearer token; and from which page."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.http.cookie import parse_cookie
from django.utils import timezone
from django.utils.module_loading import import_string

from chat.models import Token

PREFIX = "bd_"


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


def user_of_token(text: str) -> Any | None:
    """The active owner of the token, or None."""
    return _user_of_token(digest(text))


def _user_of_token(digested: str) -> Any | None:
    token = Token.objects.select_related("owner").filter(digest=digested, owner__is_active=True).first()
    if token is None:
        return None
    now = timezone.now()
    if token.last_used_at is None or (now - token.last_used_at).total_seconds() > 60:
        Token.objects.filter(pk=token.pk).update(last_used_at=now)
    return token.owner


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
