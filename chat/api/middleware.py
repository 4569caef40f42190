"""What is refused before the API's own code is reached leaves in the API's words: `{code, message, details?}`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.decorators import sync_and_async_middleware

from chat.errors import MethodNotAllowed

PATH = "/api/"


@sync_and_async_middleware
def middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """The methods that no route takes: the router has only bare words for them."""

    def coded(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.status_code != MethodNotAllowed.status or not request.path.startswith(PATH):
            return response
        allowed = ", ".join(sorted(response["Allow"].split(", ")))
        problem = MethodNotAllowed(f"This can be asked by {allowed} only.")
        return JsonResponse(problem.as_dict(), status=problem.status, headers={"Allow": allowed})

    if iscoroutinefunction(get_response):

        async def answered(request: HttpRequest) -> HttpResponseBase:
            return coded(request, await cast(Awaitable[HttpResponseBase], get_response(request)))

        return answered

    def answered_now(request: HttpRequest) -> HttpResponseBase:
        return coded(request, cast(HttpResponseBase, get_response(request)))

    return answered_now
