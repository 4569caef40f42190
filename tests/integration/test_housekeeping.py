"""What goes by itself goes, and what is needed stays; an account goes with all that was its person's."""

from __future__ import annotations

import asyncio
import io
import os
import re
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.test import Client
from django.utils import timezone
from procrastinate import PsycopgConnector
from procrastinate.contrib.django import app

from chat import (
    accounts,
    commands,
    events,
    feed,
    frames,
    groups,
    housekeeping,
    images,
    jobs,
    log,
    opening,
    replay,
    runs,
    threads,
)
from chat.db import in_thread
from chat.errors import Conflict
from chat.models import Event, HonouredCommand, Image, Message, Run, Thread, Token
from tests.conftest import StartServer
from tests.services.databases import Database

PASSWORD = "correct horse battery"


@pytest.fixture
def ada(database: Database) -> User:
    return User.objects.create_user("ada", password=PASSWORD)


def thread_of(owner: User, *, days: float = 0, title: str = "Foxes") -> Thread:
    """A thread with a few events, which was left alone so many days ago."""
    thread = threads.create(owner)
    with transaction.atomic():
        for _ in range(3):
            threads.rename(threads.lock(owner, thread.id), title)
    Thread.objects.filter(id=thread.id).update(updated_at=ago(days=days))
    return Thread.objects.get(id=thread.id)


def ago(**units: float) -> Any:
    return timezone.now() - timedelta(**units)


def say(owner: User, thread: Thread, id_: str = "1") -> dict[str, Any]:
    return runs.honour(owner, thread.id, commands.SendMessage(id=id_, text="hello"))


def picture_of(owner: User, thread: Thread | None = None) -> Image:
    data = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(data, "PNG")
    with images.keeping(images.encode(data.getvalue()), owner=owner, thread=thread, prompt="A fox") as image:
        image.save()
    return image


def file(name: str, *, hours: float) -> str:
    """A file of this age."""
    default_storage.save(name, ContentFile(b"x"))
    then = time.time() - hours * 3600
    os.utime(default_storage.path(name), (then, then))
    return name


def remember(thread_id: uuid.UUID, database: Database) -> None:
    """Something in each of the agent's tables, as a run would have left it."""
    database.query(
        "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES (%s, '1', '{}')",
        str(thread_id),
    )
    database.query(
        "INSERT INTO checkpoint_blobs (thread_id, channel, version, type) VALUES (%s, 'a', '1', 'empty')",
        str(thread_id),
    )
    database.query(
        "INSERT INTO checkpoint_writes (thread_id, checkpoint_id, task_id, idx, channel, type, blob)"
        " VALUES (%s, '1', 't', 0, 'a', 'empty', '')",
        str(thread_id),
    )


def remembered(thread_id: uuid.UUID, database: Database) -> list[int]:
    return [
        database.query(f"SELECT count(*) FROM {table} WHERE thread_id = %s", str(thread_id))[0][0]
        for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
    ]


def test_the_log_of_a_thread_that_was_left_alone_is_let_go(ada: User) -> None:
    left, lively = thread_of(ada, days=31), thread_of(ada, days=29)
    assert not housekeeping.quiet_logs()
    assert not Event.objects.filter(thread=left).exists()
    assert Event.objects.filter(thread=lively).count() == lively.last_seq
    left.refresh_from_db()
    assert left.kept_seq == left.last_seq == 3
    with transaction.atomic():  # and its numbers go on
        assert log.record(left.id, [events.ThreadUpdated(thread=left.as_object())]) == 4


async def test_who_reads_a_log_while_it_is_let_go_gets_a_snapshot(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = await in_thread(thread_of, ada, days=31)
    monkeypatch.setattr(replay, "READ_EVENTS", 1)
    entered = await opening.enter(ada.pk, thread.id, 1, lambda: None)
    await in_thread(housekeeping.quiet_logs)
    read = [(frame.seq, frames.type_of(frame.text)) async for frame in entered.replay()]
    assert read == [(2, "thread_updated"), (3, "snapshot")]
    await entered.close()
    await feed.close()
    await groups.close()


def test_the_log_of_a_thread_with_an_unfinished_run_stays_however_old(ada: User) -> None:
    waiting = thread_of(ada)
    say(ada, waiting)
    Thread.objects.filter(id=waiting.id).update(updated_at=ago(days=365), active_run=None)
    housekeeping.quiet_logs()
    assert Event.objects.filter(thread=waiting).exists()


def test_each_step_is_bounded_and_says_whether_there_is_more(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "THREADS_AT_ONCE", 2)
    for _ in range(3):
        thread_of(ada, days=31)
    assert housekeeping.quiet_logs()
    assert Thread.objects.filter(kept_seq=0).count() == 1
    assert not housekeeping.quiet_logs()
    assert not Event.objects.exists()


def test_old_answers_to_commands_are_forgotten(ada: User) -> None:
    thread = thread_of(ada)
    say(ada, thread, "old")
    say(ada, thread, "new")
    HonouredCommand.objects.filter(command_id="old").update(created_at=ago(days=31))
    assert not housekeeping.old_commands()
    assert [known.command_id for known in HonouredCommand.objects.all()] == ["new"]


def test_expired_sessions_and_old_tries_go(ada: User) -> None:
    for days in (-1, 1):
        Session.objects.create(session_key=f"{days}", session_data="", expire_date=ago(days=days))
        attempt = AccessAttempt.objects.create(username=f"{days}", failures_since_start=1)
        AccessAttempt.objects.filter(pk=attempt.pk).update(attempt_time=ago(days=days + 1))
    housekeeping.expired_sessions()
    housekeeping.old_tries()
    assert [session.session_key for session in Session.objects.all()] == ["-1"]
    assert [attempt.username for attempt in AccessAttempt.objects.all()] == ["-1"]


def test_jobs_that_ended_long_ago_go_and_waiting_ones_stay(database: Database) -> None:
    old, recent, waiting = (
        app.configure_task(runs.TITLE).defer(thread_id=str(uuid.uuid4())) for _ in range(3)
    )
    for job in (old, recent):
        app.job_manager.cancel_job_by_id(job)
    long_ago = "UPDATE procrastinate_events SET at = now() - interval '8 days' WHERE job_id IN (%s, %s)"
    database.query(long_ago, old, waiting)
    housekeeping.ended_jobs()
    left = [row[0] for row in database.query("SELECT id FROM procrastinate_jobs ORDER BY id")]
    assert left == [recent, waiting]


def test_the_memory_of_threads_that_are_gone_goes(ada: User, database: Database) -> None:
    kept, gone = thread_of(ada).id, uuid.uuid4()
    for thread_id in (kept, gone):
        remember(thread_id, database)
    housekeeping.lost_memory()
    assert remembered(kept, database) == [1, 1, 1]
    assert remembered(gone, database) == [0, 0, 0]


def test_picture_files_without_a_row_go_when_they_are_old_enough(ada: User) -> None:
    image = picture_of(ada)
    for name in (image.file, image.thumbnail):
        os.utime(default_storage.path(name), (0, 0))
    lost = [file(f"images/{uuid.uuid4()}.webp", hours=25), file("images/stray.txt", hours=25)]
    young = file(f"images/{uuid.uuid4()}.webp", hours=1)
    housekeeping.lost_pictures()
    assert not any(default_storage.exists(name) for name in lost)
    assert all(default_storage.exists(name) for name in (image.file, image.thumbnail, young))
    default_storage.delete(young)


@pytest.mark.usefixtures("database")
def test_a_file_that_somebody_else_deletes_keeps_no_other() -> None:
    lost = [file(f"images/{uuid.uuid4()}.webp", hours=25) for _ in range(2)]
    listed_only = Path(default_storage.path(f"images/{uuid.uuid4()}.webp"))
    listed_only.symlink_to("nowhere")  # a name whose file is gone, whenever it is looked at
    housekeeping.lost_pictures()
    assert not any(default_storage.exists(name) for name in lost)
    assert not listed_only.is_symlink()


def test_a_folder_that_was_written_into_again_keeps_no_other(ada: User) -> None:
    ids = [thread_of(ada).id for _ in range(3)]
    spent = [file(images.preview_path(id_, "a.jpg"), hours=25) for id_ in ids]
    written = Path(default_storage.path(images.preview_path(ids[1], "b")))
    written.mkdir()  # what no look at the files sees, as one that came after the look
    housekeeping.spent_previews()
    assert not any(default_storage.exists(name) for name in spent)
    written.rmdir()


async def test_a_step_that_fails_keeps_no_other_waiting(
    server: StartServer, database: Database, tmp_path: Path
) -> None:
    media = tmp_path / "media"
    spent = media / "previews" / str(uuid.uuid4()) / "a.jpg"
    spent.parent.mkdir(parents=True)
    spent.touch()
    os.utime(spent, (0, 0))
    (media / "images").mkdir()
    (media / "images" / "loop.webp").symlink_to("loop.webp")  # nobody can say whether this is a file
    database.query("INSERT INTO django_session VALUES ('old', '', now() - interval '1 day')")
    web = await server()
    async with asyncio.timeout(10):
        while spent.exists() or database.query("SELECT 1 FROM django_session"):
            await asyncio.sleep(0.05)
    assert set(re.findall(r"keeping house: (\w+) failed", web.log())) == {"lost_pictures"}


def test_previews_go_once_their_run_has_ended(ada: User) -> None:
    busy, idle = thread_of(ada), thread_of(ada)
    say(ada, busy)
    needed = file(images.preview_path(busy.id, "a.jpg"), hours=25)
    spent = file(images.preview_path(idle.id, "a.jpg"), hours=25)
    housekeeping.spent_previews()
    assert default_storage.exists(needed)
    assert not default_storage.exists(spent)
    assert not default_storage.exists(images.preview_path(idle.id, ""))
    threads.delete(ada, busy.id)


def test_deleting_an_account_leaves_nothing_of_it(ada: User, database: Database) -> None:
    bob = User.objects.create_user("bob")
    theirs = thread_of(bob)
    thread = thread_of(ada)
    say(ada, thread)
    remember(thread.id, database)
    Token.objects.create(owner=ada, name="t", digest="d")
    pictures = [picture_of(ada), picture_of(ada, thread), picture_of(bob)]
    preview = file(images.preview_path(thread.id, "a.jpg"), hours=0)
    accounts.delete(ada)
    for rows in (Thread, Message, Run, Event, HonouredCommand, Image, Token):
        assert {str(row.pk) for row in rows._default_manager.owned_by(ada.pk)} == set()
    assert not User.objects.filter(username="ada").exists()
    assert remembered(thread.id, database) == [0, 0, 0]
    names = [name for image in pictures for name in (image.file, image.thumbnail)]
    assert [default_storage.exists(name) for name in names] == [False] * 4 + [True] * 2
    assert not default_storage.exists(preview)
    assert Event.objects.filter(thread=theirs).count() == 3


def test_the_last_administrator_stays(database: Database) -> None:
    root = User.objects.create_superuser("root")
    with pytest.raises(Conflict):
        accounts.delete(root)
    root.refresh_from_db()
    assert root.is_active
    User.objects.create_superuser("second")
    accounts.delete(root)
    assert not User.objects.filter(username="root").exists()


def test_an_account_is_deleted_from_its_page_with_its_password_only(ada: User) -> None:
    browser = Client()
    browser.force_login(ada, "django.contrib.auth.backends.ModelBackend")
    assert 'action="/account/delete/"' in browser.get("/account/").content.decode()
    assert browser.get("/account/delete/").status_code == 405
    refused = browser.post("/account/delete/", {"password": "wrong"})
    assert (refused.status_code, "This is not your password." in refused.content.decode()) == (422, True)
    assert User.objects.filter(username="ada", is_active=True).exists()
    assert browser.post("/account/delete/", {"password": PASSWORD}).status_code == 302
    assert not User.objects.exists()
    assert SessionStore(browser.session.session_key).load() == {}


async def test_what_fell_due_without_a_worker_is_made_up_for(server: StartServer, database: Database) -> None:
    database.query("INSERT INTO django_session VALUES ('old', '', now() - interval '1 day')")
    web = await server()
    async with asyncio.timeout(10):
        while database.query("SELECT 1 FROM django_session"):
            await asyncio.sleep(0.05)
    assert "Traceback" not in web.log()


def test_the_house_is_kept_every_hour() -> None:
    (periodic,) = jobs.queue(PsycopgConnector()).periodic_registry.periodic_tasks.values()
    assert (periodic.task.name, periodic.cron) == (jobs.KEEP_HOUSE, "7 * * * *")
