"""The log of each thread, read only. An event's key is composite, which Django's admin cannot register."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET

from chat import events
from chat.models import Event, Run, Thread

PAGE = 100
THREADS_PAGE = 50
GIST_MAX = 140


@dataclass(frozen=True)
class Entry:
    seq: int
    type: str
    at: str
    run_id: UUID | None
    gist: str
    body: str


@require_GET
def threads(request: HttpRequest) -> HttpResponse:
    """The threads whose log was written last."""
    _check(request)
    found = Thread.objects.select_related("owner").order_by("-updated_at", "-id")
    page = Paginator(found, THREADS_PAGE).get_page(request.GET.get("page"))
    return _render(request, "admin/chat/event/threads.html", title="Events", page=page)


@require_GET
def entries(request: HttpRequest, thread_id: UUID) -> HttpResponse:
    """A thread's kept events in their order, all of them or those of a type or of a run."""
    _check(request)
    thread = get_object_or_404(Thread.objects.select_related("owner"), id=thread_id)
    kept = Event.objects.filter(thread=thread)
    chosen: dict[str, str] = {}
    run = None
    if run_id := request.GET.get("run"):
        run = _run(thread, run_id)
        kept = kept.filter(run_id=run.id)
        chosen["run"] = str(run.id)
    types = list(kept.values("type").annotate(count=Count("seq")).order_by("type"))
    type_ = request.GET.get("type", "")
    if type_:
        kept = kept.filter(type=type_)
        chosen["type"] = type_
    page = Paginator(kept.order_by("seq"), PAGE).get_page(request.GET.get("page"))
    return _render(
        request,
        "admin/chat/event/log.html",
        title=f"Events of {thread}",
        thread=thread,
        run=run,
        types=types,
        type=type_,
        query=f"{urlencode(chosen)}&" if chosen else "",
        page=page,
        entries=[_entry(event) for event in page.object_list],
    )


def _check(request: HttpRequest) -> None:
    if not request.user.has_perm("chat.view_event"):
        raise PermissionDenied


def _run(thread: Thread, run_id: str) -> Run:
    try:
        return get_object_or_404(Run, thread=thread, id=UUID(run_id))
    except ValueError:
        raise Http404 from None


def _entry(event: Event) -> Entry:
    body = events.loads(event.body)
    said = {name: value for name, value in body.items() if name not in ("type", "at", "thread_id", "run_id")}
    gist = json.dumps(said, ensure_ascii=False)
    return Entry(
        seq=event.seq,
        type=event.type,
        at=body["at"],
        run_id=event.run_id,
        gist=gist if len(gist) <= GIST_MAX else gist[:GIST_MAX] + "…",
        body=json.dumps({"seq": event.seq, **body}, ensure_ascii=False, indent=2),
    )


def _render(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    request.current_app = admin.site.name
    return TemplateResponse(
        request, template, {**admin.site.each_context(request), "opts": Event._meta, **context}
    )
