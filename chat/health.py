"""Whether the process lives, and whether what it needs answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from channels.layers import get_channel_layer
from django.http import HttpRequest, HttpResponse, JsonResponse

from chat import db, groups

DEADLINE_SECONDS = 3.0
_WORKER = "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - interval '10 seconds'"


async def healthz(request: HttpRequest) -> HttpResponse:
    """The process is alive."""
    return HttpResponse("ok\n", content_type="text/plain")


async def readyz(request: HttpRequest) -> JsonResponse:
    """Database, channel layer and worker answer: 200, otherwise 503 with what does not."""
    names = ("database", "channel_layer", "worker")
    answers = await asyncio.gather(*(_answers(check()) for check in (_database, _channel_layer, _worker)))
    checks = dict(zip(names, answers, strict=True))
    return JsonResponse(checks, status=200 if all(answers) else 503)


async def _answers(check: Awaitable[Any]) -> bool:
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return bool(await check)
    except Exception:  # noqa: BLE001  whatever it is, it does not answer
        return False


async def _database() -> bool:
    return bool(await _scalar("SELECT 1"))


async def _worker() -> bool:
    return bool(await _scalar(_WORKER))


async def _channel_layer() -> bool:
    layer = get_channel_layer()
    channel = await layer.new_channel(groups.CHANNEL)
    await layer.send(channel, {"type": "readyz"})
    return bool(await layer.receive(channel))


async def _scalar(sql: str) -> Any:
    pool = await db.pool()
    async with pool.connection() as conn:
        row = await (await conn.execute(sql)).fetchone()
    return row[0] if row else None
