"""Everybody's threads, each with its transcript and its log."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from chat import threads
from chat.admin import event_log, transcript
from chat.admin.base import DateFilter, DeletedAsAWhole, OwnerFilter, ViewOnly, moment, state
from chat.models import Image, Message, Run, Thread

RECENT_RUNS = 10
RECENT_IMAGES = 12


@admin.register(Thread)
class Threads(DeletedAsAWhole, ViewOnly):
    list_display = ("__str__", "owner", "messages", "running", "updated", "created")
    list_select_related = ("owner",)
    list_filter = (OwnerFilter, ("updated_at", DateFilter), "archived")
    date_hierarchy = "created_at"
    search_fields = ("title", "=id")
    search_help_text = "Searches titles, messages and ids."
    ordering = ("-updated_at", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        said = Message.objects.filter(thread=OuterRef("pk")).order_by().values("thread")
        count = Subquery(said.annotate(count=Count("id")).values("count"))
        rows = super().get_queryset(request).select_related("owner")
        found: QuerySet[Any] = rows.annotate(
            message_count=Coalesce(count, 0, output_field=IntegerField()),
            is_running=Exists(Run.objects.filter(thread=OuterRef("pk"), status__in=Run.UNFINISHED)),
        )
        return found

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Those that have every word somewhere, in the title or in a message; or the one with this id."""
        for word in search_term.split()[:8]:
            said = Message.objects.filter(thread=OuterRef("pk"), text__icontains=word)
            queryset = queryset.filter(Q(title__icontains=word) | Exists(said) | Q(id__iexact=word))
        return queryset, False

    @admin.display(ordering="message_count")
    def messages(self, thread: Any) -> int:
        count: int = thread.message_count
        return count

    @admin.display(ordering="is_running")
    def running(self, thread: Any) -> SafeString | str:
        return state("running") if thread.is_running else "–"

    @admin.display(ordering="updated_at")
    def updated(self, thread: Thread) -> SafeString | str:
        return moment(thread.updated_at)

    @admin.display(ordering="created_at")
    def created(self, thread: Thread) -> SafeString | str:
        return moment(thread.created_at)

    def get_urls(self) -> list[URLPattern]:
        log = self.admin_site.admin_view(event_log.entries)
        return [path("<uuid:thread_id>/events/", log, name="chat_thread_events"), *super().get_urls()]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        through = _uuid(request.GET.get("through"))
        shown = transcript.read(obj, through=through, page=request.GET.get("page"))
        context |= {
            "transcript": shown,
            "query": f"through={through}&" if through else "",
            "runs": Run.objects.filter(thread=obj).order_by("-created_at")[:RECENT_RUNS],
            "images": Image.objects.filter(thread=obj).order_by("-created_at")[:RECENT_IMAGES],
        }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def remove(self, obj: Any) -> None:
        threads.delete(obj.owner, obj.id)

    def belongings(self, objs: list[Any]) -> dict[str, int]:
        return belongings_of_threads(Thread.objects.filter(id__in=[thread.id for thread in objs]))


def belongings_of_threads(found: QuerySet[Any]) -> dict[str, int]:
    """What goes with these threads: how many of what."""
    return {
        "messages": Message.objects.filter(thread__in=found).count(),
        "runs": Run.objects.filter(thread__in=found).count(),
        "images": Image.objects.filter(thread__in=found).count(),
    }


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
