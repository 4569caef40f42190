"""What the pages have in common: they only show, and they delete as the person's own pages do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class ViewOnly(ModelAdmin):
    """Pages of rows that nobody edits. The detail page is a template of its own, without a form."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return []


class NeverDeleted(ModelAdmin):
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DeletedAsAWhole(ModelAdmin):
    """Rows that go with all that belongs to them, files and the agent's memory too, which Django's cascade does
    not know of. `remove` does it; what goes along is counted, not listed: a log may have a million events."""

    def remove(self, obj: Any) -> None:
        raise NotImplementedError

    def belongings(self, objs: list[Any]) -> dict[str, int]:
        """What goes along with them: how many of what."""
        raise NotImplementedError

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.remove(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for obj in queryset:
            self.remove(obj)

    def get_deleted_objects(
        self, objs: Iterable[Any], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        rows = list(objs)
        counts = {str(self.opts.verbose_name_plural): len(rows), **self.belongings(rows)}
        return [str(row) for row in rows], {name: count for name, count in counts.items() if count}, set(), []


class OwnerFilter(admin.SimpleListFilter):
    """By the person whose rows they are: those who have any."""

    title = "user"
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        model = model_admin.model
        theirs = model.objects.filter(**{model.owner_path: OuterRef("pk")})
        people = User.objects.filter(Exists(theirs)).order_by("username")
        return [(str(id_), name) for id_, name in people.values_list("id", "username")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(**{queryset.model.owner_path: self.value()})


class DateFilter(admin.DateFieldListFilter):
    """By the day of a time, named as a person would."""

    def __init__(self, field: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(field, *args, **kwargs)
        self.title = {"created_at": "date", "updated_at": "last change", "last_used_at": "last use"}[
            field.name
        ]


def moment(value: datetime | None, precision: str = "minutes") -> SafeString | str:
    """A time as lists show it: with its year where that is not this one. `precision` is minutes or seconds."""
    if value is None:
        return "–"
    local = timezone.localtime(value)
    day = "j M" if local.year == timezone.localtime().year else "j M Y"
    text = date_format(local, f"{day}, H:i:s" if precision == "seconds" else f"{day}, H:i")
    return format_html(
        '<time datetime="{0}" title="{0}">{1}</time>', local.isoformat(timespec="seconds"), text
    )


def link(view: str, id_: Any, text: Any) -> SafeString:
    """A link to a row's page: `link("chat_run_change", run.id, run)`."""
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{view}", args=[id_]), text)


def state(status: str, text: str | None = None) -> SafeString:
    """A status as a coloured word."""
    return format_html('<span class="state" data-state="{}">{}</span>', status, text or status)


def duration(ms: float | None) -> str:
    """`840 ms`, `4.2 s`, `3 min 12 s`, `2 h 5 min`."""
    if ms is None:
        return "–"
    seconds = ms / 1000
    if seconds < 1:
        return f"{ms:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
