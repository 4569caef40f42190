"""`create_token NAME`: a bearer token for an account. Its text is the last line, and is shown this once."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat import access


class Command(BaseCommand):
    help = "Makes a bearer token for an account and prints it as the last line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the account's name")
        parser.add_argument("--label", default="command line", help="what the token is for")

    def handle(self, *args: Any, name: str, label: str, **options: Any) -> None:
        owner = User.objects.filter(username=name).first()
        if owner is None:
            raise CommandError(f"There is no account {name!r}; create_user makes one.")
        _, text = access.make_token(owner, label)
        self.stdout.write(f"A token for {name}. It is kept nowhere and cannot be shown again:")
        self.stdout.write(text)
