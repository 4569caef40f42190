"""The hot queries go through indexes: what a real server asks Postgres, out of Postgres's own log, and EXPLAIN of each.

Taken from the log, the statements are those that the code makes now, by whichever way to the database.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User

from chat import log
from chat.db import in_thread
from chat.models import Thread
from tests import rows
from tests.client import Person
from tests.conftest import StartServer
from tests.services.databases import SERVER, Database
from tests.site import new_person, signed_in

SECONDS = 15
PASSWORD = "correct horse battery"
OTHERS = 20_000
"""Threads of other people, and as many of each other thing at least: too many to be looked through."""
OWN = 1_000
"""Threads of the person whose lists are read: many a page."""
COPIES = 100

LARGE = {
    "auth_user",
    "chat_event",
    "chat_honouredcommand",
    "chat_image",
    "chat_message",
    "chat_message_attachments",
    "chat_run",
    "chat_thread",
    "chat_token",
    "chat_toolcall",
    "checkpoint_blobs",
    "checkpoint_writes",
    "checkpoints",
    "django_session",
}
"""What grows with use. Of the queue's tables only what is waiting counts, and that is its own affair."""

HOT = {
    "the log's append": r"INSERT INTO chat_event .* JOIN numbered",
    "the log's reading": r"SELECT .*seq.* FROM chat_event .*seq > ",
    "the log's heads": r"SELECT id, last_seq FROM chat_thread WHERE id = ANY",
    "a snapshot": r"WITH RECURSIVE .*chat_message",
    "the list of threads": r"SELECT .* FROM \"?chat_thread\"? .*ORDER BY .*updated_at\"? DESC",
    "a search in threads": r"FROM \"?chat_thread\"? .*chat_message.*LIKE UPPER\('%fox",
    "a search in the gallery": r"FROM \"?chat_image\"? .*LIKE UPPER\('%fox.*ORDER BY .*created_at\"? DESC",
    "the gallery by owner and date": r"FROM \"?chat_image\"? .*owner_id\"? = .*created_at\"? >= .*LIMIT",
    "the unfinished runs of a thread": r"FROM \"?chat_run\"?.*status\"? IN \('queued', 'running', 'interrupted'\)",
    "runs without a job": r"FROM chat_run AS run LEFT JOIN procrastinate_jobs",
    "a token": r"FROM \"?chat_token\"?.*digest\"? = ",
    "a command's id": r"(FROM|JOIN) \"?chat_honouredcommand",
    "the agent's memory": r"FROM checkpoints ",
}
"""Each must have been asked, whatever else was: by a pattern of its text."""

IN_ORDER = (
    "the list of threads",
    "a search in threads",
    "a search in the gallery",
    "the gallery by owner and date",
)
"""What an index gives in the order that is shown: however much a person has, one page of it is read."""

SWEEPS = r"\"kept_seq\" < |WITH RECURSIVE remembered"
"""What housekeeping looks for in everything, once an hour."""


@dataclass(frozen=True)
class Statement:
    """One statement as Postgres got it; `prepared` has placeholders in the place of values."""

    text: str
    prepared: bool


PEOPLE = f"""
INSERT INTO auth_user
    (username, password, is_superuser, is_staff, is_active, date_joined, first_name, last_name, email)
    SELECT 'u' || n, '', false, false, true, now(), '', '', '' FROM generate_series(1, {OTHERS}) n;
INSERT INTO chat_token (id, owner_id, name, digest, created_at)
    SELECT gen_random_uuid(), id, 'laptop', md5(id::text), now() FROM auth_user;
INSERT INTO django_session (session_key, session_data, expire_date)
    SELECT md5(n::text), '', now() + interval '1 month' FROM generate_series(1, {OTHERS}) n;
"""
HISTORY = """
INSERT INTO chat_honouredcommand (thread_id, command_id, digest, answer, created_at)
    SELECT id, 'c', '', '{}', now() FROM chat_thread;
INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, checkpoint, metadata)
    SELECT id, '', 'c', '{}', jsonb_build_object('run_id', id) FROM chat_thread WHERE title LIKE '%elsewhere%';
INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type)
    SELECT thread_id, '', 'messages', '1', 'empty' FROM checkpoints;
INSERT INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, blob)
    SELECT thread_id, '', 'c', 't', 0, 'messages', '' FROM checkpoints;
UPDATE chat_image SET created_at = created_at - random() * interval '1 year';
UPDATE chat_thread SET updated_at = updated_at - random() * interval '1 year';
"""


def fill(database: Database, owner_id: int) -> tuple[str, str]:
    """Make it a site in use. Gives the ids of a person's long thread, and of a new one to write to."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(PEOPLE)
        other, ada = User.objects.get(username="u1"), User.objects.get(id=owner_id)
        rows.threads(other, OTHERS // COPIES)
        rows.threads(ada, OWN // COPIES)
        rows.multiply(database, COPIES - 1)
        Thread.objects.update(title="A thread elsewhere")
        (long,) = rows.threads(ada, 1)
        rows.add_turns([long], 300)
        connection.execute(HISTORY)
        connection.execute("VACUUM ANALYZE")
    return str(long.id), str(Thread.objects.create(owner=ada).id)


async def use(ada: Person, long: str, own: str) -> None:
    """What people do all day: list, search, open, write, come back; and what the process does by itself meanwhile."""
    assert len((await ada.http.get("/threads")).json()["threads"]) == 50
    assert (await ada.http.get("/threads", params={"q": "fox"})).json()["threads"]
    assert (await ada.http.get("/images", params={"q": "fox"})).json()["images"]
    assert (await ada.http.get(f"/threads/{long}/messages")).json()["messages"]
    async with await ada.ready(long) as reader:
        assert reader.state.has_more
    async with await ada.ready(own) as tab:
        before = tab.state.seq
        await tab.hear("say: hello")
        assert (await tab.hear("paint a fox"))["images"]
    async with await ada.ready(own, after=before) as back:
        assert back.state.seq > before
    async with await ada.list() as tabs:
        await tabs.until("threads")
    async with signed_in(ada, PASSWORD) as browser:
        gallery = f"/admin/chat/image/?owner={ada.id}&created_at__gte=2020-01-01&q=fox"
        assert "a fox in its den" in (await browser.get(gallery)).text


def statements(log: str) -> Iterator[Statement]:
    """The statements in a part of Postgres's log; a line that belongs to the one before is indented by a tab."""
    for entry in re.split(r"\n(?!\t)", log):
        said = re.match(r".*? LOG:  (statement|execute [^:]+): (.*)", entry, re.DOTALL)
        if said and re.match(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b", said[2]):
            yield Statement(said[2].replace("\n\t", "\n"), said[1] != "statement")


def nodes(plan: dict[str, Any]) -> Iterator[str]:
    """The kinds of a plan's steps."""
    yield plan["Node Type"]
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def scanned(plan: dict[str, Any]) -> Iterator[str]:
    """The tables that a plan looks through from end to end."""
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        first_rows = plan["Node Type"] == "Limit" and part["Node Type"] == "Seq Scan" and "Filter" not in part
        if not first_rows:
            yield from scanned(part)


def explain(connection: psycopg.Connection[Any], statement: Statement) -> dict[str, Any]:
    how = "GENERIC_PLAN, FORMAT JSON" if statement.prepared else "FORMAT JSON"
    cursor = psycopg.RawCursor(connection)
    ((found,),) = cursor.execute(f"EXPLAIN ({how}) {statement.text}".encode()).fetchall()
    plan: dict[str, Any] = found[0]["Plan"]
    return plan


@pytest.fixture
async def asked(database: Database, server: StartServer) -> list[Statement]:
    """Everything that a site in use asks of Postgres while it is used."""
    ada = new_person(database, "", PASSWORD)
    long, own = await in_thread(fill, database, ada.id)
    database.query("UPDATE auth_user SET is_staff = true, is_superuser = true WHERE id = %s", ada.id)
    database.query(f"ALTER DATABASE \"{database.name}\" SET log_statement = 'all'")
    start = SERVER.log.stat().st_size

    def said() -> list[Statement]:
        with SERVER.log.open("rb") as log:
            log.seek(start)
            return list(statements(log.read().decode(errors="replace")))

    web = await server(DEMO_TOKENS_PER_SECOND="0")
    ada = ada.at(web.url)
    await use(ada, long, own)
    async with await ada.ready(own):
        # Of what the process asks by itself some comes every few seconds.
        deadline = asyncio.get_running_loop().time() + SECONDS
        while left := missing(said()):
            assert asyncio.get_running_loop().time() < deadline, f"nobody asked for {', '.join(left)}"
            await asyncio.sleep(0.2)
    return said()


def missing(asked: list[Statement]) -> list[str]:
    return [name for name in HOT if not of_kind(name, asked)]


def of_kind(name: str, asked: list[Statement]) -> list[Statement]:
    return [one for one in asked if re.search(HOT[name], " ".join(one.text.split()))]


async def test_no_hot_query_looks_through_a_table_and_lists_come_in_an_index_s_order(
    database: Database, asked: list[Statement]
) -> None:
    ordered = {one for name in IN_ORDER for one in of_kind(name, asked)}
    slow: dict[str, set[str]] = {}
    with psycopg.connect(database.url) as connection:
        for one in dict.fromkeys(asked):
            plan = explain(connection, one)
            through = set() if re.search(SWEEPS, one.text) else LARGE & set(scanned(plan))
            sorts = {"Sort", "Incremental Sort"} & set(nodes(plan)) if one in ordered else set()
            if through | sorts:
                slow[" ".join(one.text.split())] = through | sorts
    assert slow == {}


async def test_the_log_is_appended_to_by_the_threads_ids_in_a_small_site_too(database: Database) -> None:
    """Asked for them in another way, Postgres looked through all threads up to some ten thousand, at every flush."""
    await in_thread(_fill_a_small_site, database)
    statement = re.sub("%s", "$1", log._APPEND, count=1).replace("%s", "$2")
    with psycopg.connect(database.url) as connection:
        plan = explain(connection, Statement(statement, prepared=True))
    assert list(scanned(plan)) == []


def _fill_a_small_site(database: Database) -> None:
    rows.threads(User.objects.create(username="ada"), 40)
    rows.multiply(database, 49)
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
