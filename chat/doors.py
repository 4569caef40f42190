"""The doors: who came in by a session or a token is shown out when that ends, wherever it was ended.

A session that goes, a password that changes, a person who is deactivated or deleted, a token that is revoked: the
database's rows say so, whoever changed them, so their signals are heard here, and told to every process. Each process
keeps its open connections by what they were opened with. What a message does not bring, because the channel layer is
deaf or the rows were changed by SQL, the look at all of them finds every RECHECK_SECONDS.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db.models.signals import post_delete, post_save

from chat import access, db, groups, limits, log, sockets
from chat.access import Credential
from chat.db import in_thread
from chat.errors import NotSignedIn
from chat.models import Token

logger = logging.getLogger(__name__)

CHECKED_AT_ONCE = 50
AGAIN_SECONDS = 1.0
"""After so long what could not be asked of the database is asked again."""


class _Door:
    """One connection on its way in, or inside."""

    __slots__ = ("connection", "is_shut", "shown", "user_id")

    def __init__(self, shown: Credential, connection: sockets.Closable) -> None:
        self.shown = shown
        self.connection = connection
        self.user_id: int | None = None
        self.is_shut = False


class Watch:
    """The open connections of one process, by what they were opened with."""

    def __init__(self, recheck_seconds: float = settings.RECHECK_SECONDS) -> None:
        self._recheck_seconds = recheck_seconds
        self._doors: dict[sockets.Closable, _Door] = {}
        self._of: defaultdict[Credential, set[_Door]] = defaultdict(set)
        self._people: Counter[int] = Counter()
        self._asking: dict[Credential, asyncio.Future[int | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        await groups.exchange().join(groups.doors(), self._hear)
        self._spawn(self._look_loop())

    async def close(self) -> None:
        await groups.exchange().leave(groups.doors(), self._hear)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def enter(self, shown: Credential | None, connection: sockets.Closable) -> int:
        """The id of the person who comes in. Raises NotSignedIn, RateLimited, Unavailable.

        The connection is known before the person is looked up: what ends meanwhile is heard for it too.
        """
        if shown is None:
            raise NotSignedIn("Sign in, or send a token.")
        door = _Door(shown, connection)
        self._doors[connection] = door
        self._of[shown].add(door)
        try:
            user_id = await self._look_up(shown)
            if user_id is None or door.is_shut:
                raise NotSignedIn("Sign in, or send a token.")
            limits.connection(self._people[user_id])
        except BaseException:
            self.leave(connection)
            raise
        door.user_id = user_id
        self._people[user_id] += 1
        return user_id

    async def _look_up(self, shown: Credential) -> int | None:
        """Ask whom the credential lets in; of many that come back at once with the same one, the first asks for all."""
        asking = self._asking.get(shown)
        if asking is None:
            asking = asyncio.ensure_future(access.user_id_of(shown))
            self._asking[shown] = asking
            asking.add_done_callback(lambda done: self._asked(shown, done))
        return await asyncio.shield(asking)

    def _asked(self, shown: Credential, done: asyncio.Future[int | None]) -> None:
        if self._asking.get(shown) is done:
            del self._asking[shown]

    def leave(self, connection: sockets.Closable) -> None:
        """The connection is gone, or was never let in."""
        door = self._doors.pop(connection, None)
        if door is None:
            return
        self._of[door.shown].discard(door)
        if not self._of[door.shown]:
            del self._of[door.shown]
        if door.user_id is not None:
            self._people[door.user_id] -= 1
            if not self._people[door.user_id]:
                del self._people[door.user_id]

    def _hear(self, message: dict[str, Any]) -> None:
        self._asking.clear()  # who comes in from now on is asked for anew: the answers under way may be of before
        if "session" in message:
            ended = [
                shown
                for shown in self._of
                if shown.kind == "session" and digest(shown.value) == message["session"]
            ]
            self._shut(ended)
        else:
            doubtful = {
                door.shown for door in self._doors.values() if door.user_id in (None, message["user_id"])
            }
            if doubtful:
                self._spawn(self._check(doubtful))

    async def _look_loop(self) -> None:
        while True:
            await asyncio.sleep(self._recheck_seconds)  # the pace of asking: SQL by hand tells nobody
            groups.exchange().rejoin()  # the layer may have forgotten this process without a word
            await self._check(set(self._of))

    async def _check(self, doubtful: set[Credential]) -> None:
        """Ask again for each whether it still lets anybody in, and shut the doors of those that do not.

        A database that does not answer only makes it later: what a message told of is told once.
        """
        waiting = list(doubtful)
        try:
            while waiting:
                try:
                    self._shut(await in_thread(_ended, waiting[:CHECKED_AT_ONCE]))
                except db.DOWN as error:
                    logger.debug("who is still signed in could not be asked: %s", error)
                    await asyncio.sleep(AGAIN_SECONDS)  # a pace for asking again
                    waiting = [shown for shown in waiting if shown in self._of]
                else:
                    del waiting[:CHECKED_AT_ONCE]
        except Exception:
            logger.exception("the look at who is still signed in failed")

    def _shut(self, ended: Iterable[Credential]) -> None:
        for shown in ended:
            for door in tuple(self._of.get(shown, ())):
                if not door.is_shut:
                    door.is_shut = True
                    self._spawn(door.connection.close_with(sockets.NOT_SIGNED_IN))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_watch = db.PerLoop(Watch)


def watch() -> Watch:
    """The running loop's watch."""
    return _watch.get()


async def close() -> None:
    found = _watch.pop()
    if found is not None:
        await found.close()


def listen() -> None:
    """Hear of every change that may end somebody's right to be here: the admin and the shell make them too."""
    post_delete.connect(_session_deleted, sender=Session, dispatch_uid="chat.doors")
    post_save.connect(_user_saved, sender=User, dispatch_uid="chat.doors")
    post_delete.connect(_user_deleted, sender=User, dispatch_uid="chat.doors")
    post_delete.connect(_token_deleted, sender=Token, dispatch_uid="chat.doors")


def _session_deleted(instance: Session, **kwargs: Any) -> None:
    # The row is gone when this is sent, so that nobody who comes in by it from now on is missed. Its key stays secret.
    log.session_ended(digest(instance.session_key))


def _user_saved(instance: User, created: bool, update_fields: frozenset[str] | None, **kwargs: Any) -> None:
    if not created and update_fields != frozenset({"last_login"}):
        log.rights_changed(instance.pk)


def _user_deleted(instance: User, **kwargs: Any) -> None:
    log.rights_changed(instance.pk)


def _token_deleted(instance: Token, **kwargs: Any) -> None:
    log.rights_changed(instance.owner_id)


def _ended(shown: list[Credential]) -> list[Credential]:
    return [one for one in shown if access.user_of(one) is None]


def digest(session_key: str) -> str:
    """How a session is named to other processes: its key itself would let anybody in."""
    return hashlib.sha256(session_key.encode()).hexdigest()
