"""The application, and Django's admin with our own site in it."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Backdrop"

    def ready(self) -> None:
        from chat import doors

        doors.listen()


class ChatAdminConfig(admin_apps.AdminConfig):
    default_site = "chat.admin_site.Site"
    default = False
