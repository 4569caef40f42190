"""Every test has a database to itself, and it is real."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import connection, transaction

from project import postgres
from tests.services.databases import Database

User = get_user_model()


async def test_what_the_orm_commits_is_seen_by_every_other_connection(database: Database) -> None:
    await User.objects.acreate(username="ada")
    assert database.query("SELECT username FROM auth_user") == [("ada",)]


async def test_a_test_starts_with_nothing_from_the_one_before(database: Database) -> None:
    assert await User.objects.acount() == 0
    await User.objects.acreate(username="ada")


def test_synchronous_code_uses_the_same_database(database: Database) -> None:
    with transaction.atomic():
        User.objects.create(username="grace")
    assert connection.settings_dict["NAME"] == database.name
    assert database.query("SELECT count(*) FROM auth_user") == [(1,)]


async def test_conninfo_leads_to_djangos_database(database: Database) -> None:
    assert f"dbname={database.name}" in await sync_to_async(postgres.conninfo)()


def test_the_job_queue_and_the_checkpoints_have_their_tables(database: Database) -> None:
    rows = database.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {"procrastinate_jobs", "checkpoints", "checkpoint_blobs", "checkpoint_writes"} <= {
        row[0] for row in rows
    }
