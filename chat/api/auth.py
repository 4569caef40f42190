"""Who calls: a bearer token, or the site's own session with its CSRF token."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from chat import access, limits
from chat.errors import Forbidden, NotSignedIn

SAFE = ("GET", "HEAD", "OPTIONS")


class PersonAuth(AuthBase):
    """Gives the person as `request.auth`; what changes anything counts as a command.

    Raises NotSignedIn, Forbidden, RateLimited.
    """

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __call__(self, request: HttpRequest) -> Any:
        user = self._user(request)
        if request.method not in SAFE:
            limits.command(user.pk)
        return user

    def _user(self, request: HttpRequest) -> Any:
        token = access.bearer(request.headers.get("Authorization"))
        if token is not None:
            user = access.user_of_token(token)
            if user is None:
                raise NotSignedIn("This token is not valid.")
            return user
        if not request.user.is_authenticated:
            raise NotSignedIn("Sign in, or send a token.")
        if check_csrf(request) is not None:
            raise Forbidden("The CSRF token is missing or wrong; reload the page.")
        return request.user
