"""Checkpoints in Postgres: set up once, written only by the worker that owns the run."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde import _msgpack
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.constants import START
from psycopg import AsyncConnection, AsyncCursor, generators
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from chat.agent.ends import ENDS, MESSAGES
from chat.errors import RunLost

if not _msgpack.STRICT_MSGPACK_ENABLED:
    # Without it a crafted checkpoint runs code when it is loaded. LangGraph reads the variable when it is imported.
    raise RuntimeError(
        "LANGGRAPH_STRICT_MSGPACK=true must be in the environment before langgraph is imported."
    )

Pool = AsyncConnectionPool[AsyncConnection[DictRow]]

_SETUP_LOCK = 0x6261636B64726F70
"""The advisory lock that lets one process at a time make the tables: concurrent set-ups of LangGraph's fail."""

_SETUP_SECONDS = 60
_TRANSACTION_SECONDS = 7
"""Longer than any write takes, shorter than what is left of a takeover's ten seconds."""


_PULLED = "~__pregel_pull"
"""How the path of such a task begins, as LangGraph writes it for a saver."""

CACHED_LISTS = 2000
CACHED_BYTES_MAX = 16 * 1024


@dataclass(frozen=True)
class Fence:
    """A query that answers with a row as long as the run still owns its thread.

    It should lock that row against a takeover (FOR KEY SHARE against FOR UPDATE): then a takeover waits for the write
    under way, and every later write of the old owner finds nothing.
    """

    sql: str
    params: tuple[Any, ...]


class Newest(NamedTuple):
    """The newest checkpoint of a thread in which nobody else writes from now on; None where it has none."""

    thread_id: str
    checkpoint_id: str | None


NEWEST = "SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = ''"
"""Its id, or null, for who then makes sure of the thread: LangGraph begins with it where no other is named."""


async def setup(conninfo: str) -> None:
    """Makes the checkpoint tables, or brings them up to date; any number of processes may call it at any time."""
    async with await AsyncConnection.connect(
        conninfo, autocommit=True, prepare_threshold=0, row_factory=dict_row
    ) as connection:
        async with asyncio.timeout(_SETUP_SECONDS):
            # Asked for again and again, because whoever waits within pg_advisory_lock() holds a snapshot, and the
            # other's CREATE INDEX CONCURRENTLY waits for all of those: a deadlock.
            while not await _try_lock(connection):
                await asyncio.sleep(0.05)
        await AsyncPostgresSaver(connection).setup()  # the lock ends with the connection


async def _try_lock(connection: AsyncConnection[DictRow]) -> bool:
    cursor = await connection.execute("SELECT pg_try_advisory_lock(%s) AS locked", (_SETUP_LOCK,))
    row = await cursor.fetchone()
    return bool(row and row["locked"])


Check = Callable[[AsyncConnection[Any]], Awaitable[None]]


def open_pool(conninfo: str, *, min_size: int = 1, max_size: int = 8, check: Check | None = None) -> Pool:
    """A pool as savers need it, not yet open: `await pool.open()` in the loop that will use it.

    `check` looks at each connection before it is used: one that a restarted server has closed must not cost a run its
    step. By default it asks the server.
    """
    return AsyncConnectionPool(
        conninfo,
        min_size=min_size,
        max_size=max_size,
        open=False,
        configure=_bound_transactions,
        reconnect_timeout=2.0,  # then it waits for somebody to ask: its pauses would grow with the outage
        check=check or AsyncConnectionPool.check_connection,
        kwargs={"autocommit": True, "row_factory": dict_row},
        name="checkpoints",
    )


async def _bound_transactions(connection: AsyncConnection[DictRow]) -> None:
    """Let no worker that is frozen within a write keep the fence's lock from who takes its run over.

    Within a pipeline the server does not see that it waits for its client, so idle_in_transaction_session_timeout does
    not help there; Postgres before 17 has nothing else.
    """
    if connection.info.server_version >= 170000:
        await connection.execute(f"SET transaction_timeout = '{_TRANSACTION_SECONDS}s'")


async def delete(pool: Pool, thread_id: str) -> None:
    """Removes every checkpoint of the thread, in one transaction."""
    async with pool.connection() as connection, connection.transaction(), connection.pipeline():
        for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
            await connection.execute(f"DELETE FROM {table} WHERE thread_id = %s", (thread_id,))  # noqa: S608


class _Serializer(JsonPlusSerializer):
    """Decodes a stored list of messages once for each process that goes on with the thread.

    Every turn reads all messages of its thread, and making LangChain's objects of them costs more than reading them.
    Nobody changes a message that was said, so that runs can share them; each gets a list of its own.
    """

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        kind, stored = data[0], bytes(data[1])
        if len(stored) > CACHED_BYTES_MAX:
            return super().loads_typed((kind, stored))
        value = self._decoded(kind, stored)
        return value[:] if isinstance(value, list) else super().loads_typed((kind, stored))

    @staticmethod
    @lru_cache(CACHED_LISTS)
    def _decoded(kind: str, stored: bytes) -> Any:
        value = JsonPlusSerializer().loads_typed((kind, stored))
        return value if isinstance(value, list) else None


_SERIALIZER = _Serializer()


class _Statements:
    """What the parent's methods write with, in place of a cursor: keeps the statements for the transaction to come."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Sequence[Any]]] = []

    async def execute(self, sql: str, row: Sequence[Any]) -> None:
        self.all.append((sql, row))

    async def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self.all += [(sql, row) for row in rows]


class FencedSaver(AsyncPostgresSaver):
    """The saver of one attempt of a run: every write asserts in its own transaction that the run still owns its thread.

    What says nothing by itself waits for what does, and is written in the same transaction: the input and its step for
    the end of the first model call, what a model call has written for the checkpoint behind it. A process that dies
    before has lost nothing, for the run begins there again with the same input. A tool's result is written at once.

    Raises errors.RunLost, and has written nothing, when the run does not own it. Reading needs no ownership.
    `fence=None` is for reading only: every write is refused. `newest` spares who knows it a look at the database, and
    where this process wrote it all reading. Make one for each run (a saver lets one statement through at a time), in
    the loop that uses it.
    """

    def __init__(self, pool: Pool, fence: Fence | None, newest: Newest | None = None) -> None:
        super().__init__(pool, serde=_SERIALIZER)
        self._pool = pool
        self._fence = fence
        self._newest = newest
        self._chance = secrets.token_hex(4)
        self._held: list[tuple[str, Sequence[Any]]] = []
        self._input_is_held = False
        self._last: CheckpointTuple | None = None

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Like the parent's; but the input's own value is not stored, one sixth of a turn's bytes.

        It would be written twice: as the input checkpoint's value, and as what its only task made of it. Nobody reads
        the first again once the second is part of a stored checkpoint, and both are stored together.
        """
        begins = metadata.get("source") == "input"
        if begins:
            new_versions = {channel: new_versions[channel] for channel in new_versions if channel != START}
        following = await super().aput(config, checkpoint, metadata, new_versions)
        self._last = CheckpointTuple(following, checkpoint, metadata, config, [])
        holds, self._input_is_held = begins or self._input_is_held, begins
        if not holds:
            await self._write_held()
        return following

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Like the parent's, without a thread: what is encoded here is short."""
        self._last = None
        special = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        sql = self.UPSERT_CHECKPOINT_WRITES_SQL if special else self.INSERT_CHECKPOINT_WRITES_SQL
        of = config["configurable"]
        rows = self._dump_writes(
            of["thread_id"], of["checkpoint_ns"], of["checkpoint_id"], task_id, task_path, writes
        )
        self._held += [(sql, row) for row in rows]
        # A node that is called for itself, not by a Send as tools are, is alone in its step: its checkpoint follows.
        if special or not task_path.startswith(_PULLED):
            await self._write_held()

    def get_next_version(self, current: str | None, channel: None) -> str:
        """Like the parent's, in 19 characters for 50: a checkpoint names eight versions or so, and every turn has five.

        The count comes first, so that versions sort; chance comes after it, so that two branches share none. It is of
        the saver, which writes one branch and counts on.
        """
        count = int(current.split(".")[0]) + 1 if current else 1
        return f"{count:010}.{self._chance}"

    @asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncIterator[Any]:
        """The parent's one door to the database; `pipeline` is how it asks for a cursor to write with."""
        if not pipeline:
            async with super()._cursor() as cursor:
                yield cursor
            return
        statements = _Statements()
        yield statements
        self._held += statements.all

    async def adelete_thread(self, thread_id: str) -> None:
        await super().adelete_thread(thread_id)
        await self._write_held()

    async def _write_held(self) -> None:
        """Write what is held, in its order. What could not be written stays held: what follows builds on it."""
        held: list[tuple[str, Sequence[Any]]] = []
        self._newest = None  # what is written now is newer
        try:
            async with self._transaction() as cursor:
                held, self._held = self._held, []
                for sql, row in held:
                    await cursor.execute(sql, row)
        except BaseException:
            self._held = held + self._held
            raise

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncCursor[DictRow]]:
        if self._fence is None:
            raise RunLost
        # One round trip for BEGIN, the fence and the writes, one for COMMIT; a fence that finds nothing rolls back.
        async with (
            self.lock,
            self._pool.connection() as connection,
            connection.pipeline() as batch,
            connection.transaction(),
            connection.cursor(row_factory=dict_row) as fence,
            connection.cursor(binary=True, row_factory=dict_row) as cursor,
        ):
            await fence.execute(self._fence.sql, self._fence.params)
            yield cursor
            # What the socket did not take at once, else the sync waits for answers to what it has not sent yet.
            await connection.wait(generators.send(connection.pgconn))
            # Not a mere flush: only behind a sync does the server see, and end, a transaction whose owner is frozen.
            await batch.sync()
            if await fence.fetchone() is None:
                raise RunLost

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        wanted, newest = config["configurable"], self._newest
        if newest is not None and wanted.get("checkpoint_ns", "") == "" and "checkpoint_id" not in wanted:
            if newest.checkpoint_id is None:
                return None
            if recalled := ENDS.recall(newest.thread_id, newest.checkpoint_id):
                return recalled
        return await super().aget_tuple(config)

    def remember(self, told: Mapping[str, Any]) -> None:
        """Let the thread's next turn go on without reading, now that the graph has come to its end.

        `told` is what the graph's stream has said of its last checkpoint. If that is not the last thing that was
        written here, nothing is remembered.
        """
        last, values = self._last, told["values"]
        if last is None or last.config != told["config"] or self._held or MESSAGES not in values:
            return
        parent = last.parent_config
        if parent is None or "checkpoint_id" not in parent["configurable"]:
            return
        others = {
            name: value for name, value in last.checkpoint["channel_values"].items() if name != MESSAGES
        }
        # Of these it is certain that they are read as they were written; the list is that of the tasks, which are done.
        if all(v is None or v == [] or isinstance(v, str | int | float | bool) for v in others.values()):
            names = last.config["configurable"]
            stored = last._replace(
                checkpoint={**last.checkpoint, "channel_values": others},
                metadata=get_serializable_checkpoint_metadata(parent, last.metadata),
                parent_config={"configurable": {name: parent["configurable"][name] for name in names}},
            )
            ENDS.remember(stored, values[MESSAGES])

    async def last_of(self, thread_id: str, run_id: str) -> str | None:
        """The id of the newest checkpoint that the run wrote in the thread."""
        async with self._cursor() as cursor:
            await cursor.execute(
                "SELECT checkpoint_id FROM checkpoints"
                " WHERE thread_id = %s AND checkpoint_ns = '' AND metadata ->> 'run_id' = %s"
                # Its steps are one chain. The ids are made of the clocks of the workers, which need not agree.
                " ORDER BY (metadata ->> 'step')::int DESC, checkpoint_id DESC LIMIT 1",
                (thread_id, run_id),
            )
            row = await cursor.fetchone()
        return row["checkpoint_id"] if row else None
