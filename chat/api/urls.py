"""The API's one NinjaAPI and its routes; every error leaves as `{code, message, details?}`."""

from __future__ import annotations

import logging
import math

from django.core.exceptions import RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from chat import errors
from chat.api import images, stream, threads
from chat.api.auth import PersonAuth
from chat.commands import FRAME_BYTES_MAX

logger = logging.getLogger(__name__)

api = NinjaAPI(title="Backdrop", version="1", auth=PersonAuth(), docs_url=None, urls_namespace="api")
api.add_router("/threads", threads.router)
api.add_router("/images", images.router)

urlpatterns = [
    # It only reads; who sends anything is to hear that it does not take it.
    path("threads/<uuid:thread_id>/events", csrf_exempt(stream.events), name="events"),
    path("", api.urls),
]


def _answer(request: HttpRequest, problem: errors.ChatError) -> HttpResponse:
    answer = api.create_response(request, problem.as_dict(), status=problem.status)
    if "retry_after_seconds" in problem.details:
        answer["Retry-After"] = str(math.ceil(problem.details["retry_after_seconds"]))
    return answer


@api.exception_handler(errors.ChatError)
def _chat_error(request: HttpRequest, error: errors.ChatError) -> HttpResponse:
    return _answer(request, error)


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    if any(problem["loc"][0] == "path" for problem in error.errors):
        return _answer(
            request, errors.NotFound("There is no such thing.")
        )  # an id that is no id names nothing
    fields = {_field(problem["loc"]): problem["msg"] for problem in error.errors}
    name, words = next(iter(fields.items()))
    return _answer(request, errors.InvalidField(f"{name}: {words}", fields=fields))


def _field(place: tuple[str | int, ...]) -> str:
    """The field's name for a client, who knows nothing of the parameter that takes the body."""
    names = place[2:] if place[0] == "body" else place[1:]
    return ".".join(str(name) for name in names) or "body"


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    return _answer(request, errors.InvalidFrame("The body is not JSON."))


@api.exception_handler(DataError)
@api.exception_handler(UnicodeEncodeError)
def _unstorable(request: HttpRequest, error: Exception) -> HttpResponse:
    """NUL, or half a surrogate pair, which JSON can say and no text can hold."""
    return _answer(request, errors.InvalidField("There are characters in this that no text can hold."))


@api.exception_handler(RequestDataTooBig)
def _too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return _answer(request, errors.FrameTooLarge(f"A body may have {FRAME_BYTES_MAX} bytes."))


@api.exception_handler(Http404)
def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return _answer(request, errors.NotFound("There is no such thing."))


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def _down(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.warning("the database does not answer: %s", error)
    return _answer(
        request, errors.Unavailable("The database does not answer right now. Try again in a moment.")
    )
