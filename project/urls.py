"""The routes: the chat application, and Django's admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

handler404 = "chat.views.not_found"
handler500 = "chat.views.failed"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("chat.urls")),
]
