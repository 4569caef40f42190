"""Every picture of everybody, as a gallery."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from chat import threads
from chat.admin.base import DateFilter, DeletedAsAWhole, OwnerFilter, ViewOnly
from chat.models import Image


@admin.register(Image)
class Images(DeletedAsAWhole, ViewOnly):
    list_display = ("__str__", "owner", "created_at")
    list_select_related = ("owner", "thread")
    list_filter = (OwnerFilter, ("created_at", DateFilter))
    list_per_page = 48
    date_hierarchy = "created_at"
    search_fields = ("prompt",)
    search_help_text = "Searches prompts."
    ordering = ("-created_at", "-id")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("owner", "thread", "run")

    def remove(self, obj: Any) -> None:
        threads.delete_image(obj.owner, obj.id)

    def belongings(self, objs: list[Any]) -> dict[str, int]:
        return {"files": 2 * len(objs)}
