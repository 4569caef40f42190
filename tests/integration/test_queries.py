"""No page and no listing asks the database more often because there is more to show.

The pages are those of the URL conf: a new one is measured by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from procrastinate.contrib.django import app as queue

from chat import access
from chat.models import Image, Run, Thread, Token
from tests import rows
from tests.services.databases import Database

FEW, MANY = 3, 30

NO_PAGES = {
    *(f"admin:chat_{name}_add" for name in ("image", "thread", "token", "run")),
    *("admin:chat_run_delete", "admin:autocomplete", "admin:view_on_site"),
    *(f"admin:procrastinate_procrastinatejob_{name}" for name in ("add", "delete")),
    *("login", "signup", "admin:login"),  # lead elsewhere who is signed in
    "api:api-root",  # ninja's name for itself
    *("logout", "admin:logout", "tokens", "token_revoke", "account_delete", "api:command"),  # posted only
    *("preview", "image-file", "image-thumbnail"),  # files, of which these rows have none
}
NOT_HERE = {"events", "readyz"}
"""The event stream never ends, and begins with one statement, see snapshot.py; readyz asks what a server has."""


class Site:
    """An administrator with rows of every kind, and the rows of others."""

    def __init__(self) -> None:
        self.ada = User.objects.create_superuser("ada", password="Fox-9-hills")
        (self.thread,) = rows.threads(self.ada, 1, turns=0)
        self.client = Client()
        self.client.force_login(self.ada)

    def grow(self, count: int) -> None:
        """So many more rows of every kind, in every thing that is shown."""
        rows.add_turns([self.thread], count // 2)  # two messages each: all of it is one page
        rows.threads(self.ada, count)
        for number in range(count):
            access.make_token(self.ada, f"laptop {number}")
            other = User.objects.create_user(f"person-{User.objects.count()}", is_staff=True)
            access.make_token(other, "laptop")
            rows.threads(other, 1)
            Group.objects.create(name=f"group-{Group.objects.count()}").user_set.add(self.ada)
            queue.configure_task("chat.housekeeping", schedule_in={"days": 1}).defer(timestamp=0)
        Run.objects.exclude(thread=self.thread).update(
            status="failed", error={"code": "x", "message": "It broke.", "retryable": True}
        )
        for row in self.firsts().values():
            for _ in range(count):
                LogEntry.objects.create(
                    user=self.ada,
                    content_type_id=_content_type(row),
                    object_id=str(row.pk),
                    object_repr=str(row),
                    action_flag=CHANGE,
                )

    def firsts(self) -> dict[type[Model], Model]:
        """One row of each kind that the administration knows, of the thread that has most inside."""
        found: dict[type[Model], Model] = {
            model: model._default_manager.all()[0] for model in admin.site._registry
        }
        return found | {
            User: self.ada,
            Thread: self.thread,
            Run: Run.objects.filter(thread=self.thread)[0],
            Image: Image.objects.filter(thread=self.thread)[0],
            Token: Token.objects.filter(owner=self.ada)[0],
        }

    def value(self, route: str, name: str) -> Any:
        """What a route's part is filled with."""
        firsts = self.firsts()
        of_route = [row for model, row in firsts.items() if f"/{model._meta.model_name}/" in route]
        return {
            "thread_id": self.thread.pk,
            "image_id": firsts[Image].pk,
            "token_id": firsts[Token].pk,
            "object_id": of_route[0].pk if of_route else self.thread.pk,
            "id": self.ada.pk,
            "content_type_id": 1,
            "app_label": "chat",
            "name": "a.jpg",
        }[name]

    def queries(self) -> dict[str, int]:
        """How many queries each page takes, by its name."""
        counted: dict[str, int] = {}
        for name, path in self.pages():
            with CaptureQueriesContext(connection) as captured:
                answer = self.client.get(path)
            assert (answer.status_code == 200) is (name not in NO_PAGES), (name, path, answer.status_code)
            if name not in NO_PAGES:
                counted[name] = len(captured)
        return counted

    def pages(self) -> Iterator[tuple[str, str]]:
        """Every page by its name, and lists as they are searched."""
        for name, route, parts in _routes():
            if name in NOT_HERE:
                continue
            path = reverse(name, kwargs={part: self.value(route, part) for part in parts})
            yield name, path
            for query in _SEARCHES.get(name.rpartition("_")[2], ()) + _SEARCHES.get(name, ()):
                yield f"{name}{query}", path + query


_SEARCHES = {
    "changelist": ("?q=fox", "?all="),
    "api:list_threads": ("?q=fox+den", "?limit=200"),
    "api:list_images": ("?q=fox",),
    "api:list_messages": ("?limit=200",),
    "admin:chat_thread_events": ("?type=run_queued",),
}


def _routes() -> Iterator[tuple[str, str, list[str]]]:
    """Every route that has a name, as (name, route, parts)."""

    def walk(patterns: list[Any], prefix: str, space: str) -> Iterator[tuple[str, str, list[str]]]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
                yield from walk(pattern.url_patterns, route, inner)
            elif isinstance(pattern, URLPattern) and pattern.name:
                parts = [*pattern.pattern.converters, *pattern.pattern.regex.groupindex]
                yield f"{space}{pattern.name}", route, list(dict.fromkeys(parts))

    return walk(get_resolver().url_patterns, "", "")


def _content_type(row: Model) -> int:
    return ContentType.objects.get_for_model(row).pk


@pytest.fixture
def site(database: Database) -> Site:
    return Site()


def test_every_page_takes_as_many_queries_for_many_rows_as_for_few(site: Site) -> None:
    site.grow(FEW)
    site.queries()  # Django looks up the types of rows once in a process
    few = site.queries()
    site.grow(MANY - FEW)
    assert site.queries() == few
    assert len(few) > 40


def test_asking_whether_to_delete_many_takes_as_many_queries_as_for_few(site: Site) -> None:
    def queries() -> dict[str, int]:
        counted: dict[str, int] = {}
        for model in admin.site._registry:
            name = f"{model._meta.app_label}_{model._meta.model_name}"
            ids = [str(id_) for id_ in model._default_manager.values_list("pk", flat=True)]
            chosen = {"action": "delete_selected", "_selected_action": ids}
            with CaptureQueriesContext(connection) as captured:
                answer = site.client.post(reverse(f"admin:{name}_changelist"), chosen)
            if b"Are you sure" in answer.content:
                counted[name] = len(captured)
        return counted

    site.grow(FEW)
    queries()
    few = queries()
    site.grow(MANY - FEW)
    assert queries() == few
    assert set(few) == {"auth_group", "auth_user", "chat_image", "chat_thread", "chat_token"}
