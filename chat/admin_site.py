"""The administrator's site: one door with the rest of the site, and a first page that says how things stand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils import timezone
from django.views.defaults import permission_denied

from chat.models import Event, Image, Run, Thread

SUMMARY_DAYS = 7
SUMMARY_IMAGES = 8
SUMMARY_FAILURES = 5


class Site(AdminSite):
    site_title = site_header = "Backdrop"
    index_title = "Overview"

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Lead to the site's own door; who is through it, but no administrator, is told so."""
        if request.user.is_authenticated and not self.has_permission(request):
            return permission_denied(request, PermissionDenied())
        return redirect_to_login(request.GET.get("next") or reverse("admin:index", current_app=self.name))

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        return super().index(request, {"summary": _summary(request.user), **(extra_context or {})})

    def get_urls(self) -> list[URLPattern | URLResolver]:
        # Not before: the pages register themselves with this site when they are imported.
        from chat.admin import event_log

        pages = [path("chat/event/", self.admin_view(event_log.threads), name="chat_event_changelist")]
        return [*pages, *super().get_urls()]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The lists, with the one of events, which Django cannot register: their key is composite."""
        apps = super().get_app_list(request, app_label)
        if request.user.has_perm("chat.view_event"):
            for app in apps:
                if app["app_label"] == "chat":
                    app["models"] = sorted([*app["models"], _events_entry()], key=lambda model: model["name"])
        return apps


def _events_entry() -> dict[str, Any]:
    return {
        "model": Event,
        "name": "Events",
        "object_name": "Event",
        "admin_url": reverse("admin:chat_event_changelist"),
        "add_url": None,
        "view_only": True,
        "perms": {"add": False, "change": False, "delete": False, "view": True},
    }


def _summary(user: Any) -> dict[str, Any]:
    """How things stand, of what this administrator may see; each figure is one query over an index."""
    now = timezone.now()
    since = now - timedelta(days=SUMMARY_DAYS)
    figures: list[dict[str, Any]] = []
    found: dict[str, Any] = {"figures": figures, "days": SUMMARY_DAYS}
    if user.has_perm("chat.view_run"):
        midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
        counts = Run.objects.filter(created_at__gte=since).aggregate(
            today=Count("id", filter=Q(created_at__gte=midnight)),
            failed=Count("id", filter=Q(status=Run.Status.FAILED)),
        )
        unfinished = Run.objects.filter(status__in=Run.UNFINISHED).count()
        runs = reverse("admin:chat_run_changelist")
        figures += [
            {
                "label": "Runs today",
                "count": counts["today"],
                "url": f"{runs}?created_at__gte={midnight:%Y-%m-%d}",
            },
            {"label": "Unfinished", "count": unfinished, "url": f"{runs}?state=unfinished"},
            {
                "label": f"Failed in {SUMMARY_DAYS} days",
                "count": counts["failed"],
                "url": f"{runs}?state=failed",
                "bad": bool(counts["failed"]),
            },
        ]
        failed = Run.objects.filter(created_at__gte=since, status=Run.Status.FAILED)
        found["failures"] = failed.select_related("thread__owner").order_by("-created_at")[:SUMMARY_FAILURES]
    for model, label in ((Thread, "Threads"), (Image, "Pictures"), (User, "People")):
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        if user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}"):
            url = reverse(f"admin:{name}_changelist")
            figures.append({"label": label, "count": model._default_manager.count(), "url": url})
    if user.has_perm("chat.view_image"):
        found["images"] = Image.objects.order_by("-created_at")[:SUMMARY_IMAGES]
    return found
