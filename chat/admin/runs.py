"""Every run: who worked on it and how often, how long it took, what it cost, why it failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chat.admin.base import DateFilter, NeverDeleted, OwnerFilter, ViewOnly, duration, link, moment, state
from chat.models import Image, Run


class StateFilter(admin.SimpleListFilter):
    title = "status"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("unfinished", "Unfinished"),
            *((str(value), str(label)) for value, label in Run.Status.choices),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case None:
                return queryset
            case "unfinished":
                return queryset.filter(status__in=Run.UNFINISHED)
            case status:
                return queryset.filter(status=status)


WHY = {
    str(Run.BrokenOff.LOST): "Its worker died or froze, or could not reach the database.",
    str(Run.BrokenOff.HANDED_OVER): "Its worker was told to stop.",
}


@dataclass(frozen=True)
class Attempt:
    """One worker's go at a run, as `Run.attempts` tells it."""

    number: int
    worker: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str

    @property
    def word(self) -> SafeString:
        return state(self.outcome, self.outcome.replace("_", " "))

    @property
    def why(self) -> str:
        """Why another had to go on, where one had to."""
        return WHY.get(self.outcome, "")

    @property
    def elapsed_ms(self) -> float | None:
        return (self.ended_at - self.started_at).total_seconds() * 1000 if self.ended_at else None


@admin.register(Run)
class Runs(NeverDeleted, ViewOnly):
    list_display = ("started", "status_word", "thread_link", "owner", "attempt", "took", "tokens", "failure")
    list_select_related = ("thread__owner",)
    list_filter = (StateFilter, OwnerFilter, ("created_at", DateFilter))
    date_hierarchy = "created_at"
    search_fields = ("thread__title", "prompt__text", "error__message", "error__code", "=id")
    search_help_text = "Searches thread titles, what was asked, errors and ids."
    ordering = ("-created_at", "-id")

    @admin.display(description="created", ordering="created_at")
    def started(self, run: Run) -> SafeString | str:
        return moment(run.created_at)

    @admin.display(description="status", ordering="status")
    def status_word(self, run: Run) -> SafeString:
        return state(run.status, "recovered" if run.recovered else None)

    @admin.display(description="thread", ordering="thread__title")
    def thread_link(self, run: Run) -> SafeString:
        return link("chat_thread_change", run.thread_id, run.thread)

    @admin.display(ordering="thread__owner__username")
    def owner(self, run: Run) -> str:
        return run.thread.owner.get_username()

    @admin.display(description="duration")
    def took(self, run: Run) -> str:
        return duration(run.elapsed_ms)

    @admin.display
    def tokens(self, run: Run) -> SafeString | str:
        usage = run.usage or {}
        if not usage:
            return "–"
        spent = f"{usage.get('input_tokens', 0):,} + {usage.get('output_tokens', 0):,}"
        return format_html('<span title="input + output">{}</span>', spent)

    @admin.display(description="error", ordering="error__code")
    def failure(self, run: Run) -> SafeString | str:
        return state("failed", run.error["code"]) if run.error else "–"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("thread__owner")

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context |= {
            "status_word": self.status_word(obj),
            "attempts": _attempts(obj),
            "waited_ms": (obj.started_at - obj.created_at).total_seconds() * 1000 if obj.started_at else None,
            "tool_calls": [call.as_object() for call in obj.tool_calls.order_by("started_at", "id")],
            "images": Image.objects.filter(run=obj).order_by("created_at"),
            "usage": _usage(obj),
        }
        return super().render_change_form(request, context, add, change, form_url, obj)


def _usage(run: Run) -> dict[str, int]:
    """The tokens in the order in which they are spent, which JSON in Postgres does not keep."""
    usage = run.usage or {}
    first = ["input_tokens", "output_tokens", "total_tokens"]
    names = [name for name in first if name in usage] + sorted(set(usage) - set(first))
    return {name.replace("_", " "): usage[name] for name in names}


def _attempts(run: Run) -> list[Attempt]:
    return [
        Attempt(
            number=told["attempt"],
            worker=told["worker"],
            started_at=datetime.fromisoformat(told["started_at"]),
            ended_at=datetime.fromisoformat(told["ended_at"]) if "ended_at" in told else None,
            outcome=told.get("outcome", "running"),
        )
        for told in run.attempts
    ]
