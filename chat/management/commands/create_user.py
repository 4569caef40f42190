"""`create_user NAME --password P`: an account, without asking anything."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = "Makes an account."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--password", required=True)
        parser.add_argument("--staff", action="store_true", help="an administrator")

    def handle(self, *args: Any, name: str, password: str, staff: bool, **options: Any) -> None:
        user = User(username=name, is_staff=staff, is_superuser=staff)
        user.set_password(password)
        try:
            user.full_clean()
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        user.save()
        self.stdout.write(f"{name} can sign in.")
