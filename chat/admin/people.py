"""Accounts, which go with all that is theirs, and the tokens of their programs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.safestring import SafeString

from chat import accounts
from chat.admin.base import DateFilter, DeletedAsAWhole, OwnerFilter, ViewOnly, moment
from chat.admin.threads import belongings_of_threads
from chat.models import Image, Thread, Token

admin.site.unregister(User)


@admin.register(User)
class People(DeletedAsAWhole, UserAdmin):  # type: ignore[type-arg]
    list_display = ("username", "email", "is_staff", "is_active", "joined", "seen")

    @admin.display(ordering="date_joined")
    def joined(self, user: User) -> SafeString | str:
        return moment(user.date_joined)

    @admin.display(description="last sign-in", ordering="last_login")
    def seen(self, user: User) -> SafeString | str:
        return moment(user.last_login)

    def remove(self, obj: Any) -> None:
        accounts.delete(obj)

    def belongings(self, objs: list[Any]) -> dict[str, int]:
        theirs = Thread.objects.filter(owner__in=objs)
        return {
            "threads": theirs.count(),
            **belongings_of_threads(theirs),
            "images": Image.objects.filter(owner__in=objs).count(),
            "tokens": Token.objects.filter(owner__in=objs).count(),
        }


@admin.register(Token)
class Tokens(ViewOnly):
    """What a token is for and when it was used; never the token, of which only a digest is kept."""

    list_display = ("name", "owner", "created", "used")
    list_select_related = ("owner",)
    list_filter = (OwnerFilter, ("created_at", DateFilter), ("last_used_at", DateFilter))
    search_fields = ("name", "owner__username")
    ordering = ("-created_at",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return ["name", "owner", "created", "used"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return ["created", "used"]

    @admin.display(ordering="created_at")
    def created(self, token: Token) -> SafeString | str:
        return moment(token.created_at)

    @admin.display(description="last used", ordering="last_used_at")
    def used(self, token: Token) -> SafeString | str:
        return moment(token.last_used_at)
