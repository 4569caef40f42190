"""A request's body that is too large is refused as it comes: it costs no memory, whatever it was sent to."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import StartServer
from tests.services.app import Kind

MEBIBYTE = 2**20
SENT = 80 * MEBIBYTE
REFUSED = {"code": "frame_too_large", "message": "A picture may have 10 MB."}


def forget_peak(pid: int) -> int:
    """Begin to measure the process's peak of memory; its memory now, in bytes."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak(pid: int) -> int:
    """The most memory that the process has had since `forget_peak`, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


async def zeros(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // MEBIBYTE):
        yield bytes(MEBIBYTE)


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_a_body_that_is_too_large_costs_no_memory_and_is_refused_by_a_code(
    server: StartServer, kind: Kind
) -> None:
    web = await server(kind)
    declared = {"Content-Length": str(SENT)}
    async with httpx.AsyncClient(base_url=web.url, trust_env=False, timeout=30) as stranger:
        await stranger.post("/api/v1/images", content=zeros(MEBIBYTE))  # what a first request loads
        for path in ("/api/v1/images", "/login/"):
            for headers in (declared, {}):  # its length said before; in chunks, nobody knows how many
                before = forget_peak(web.pid)
                answer = await stranger.post(path, content=zeros(SENT), headers=headers)
                assert (answer.status_code, answer.json()) == (413, REFUSED)
                assert peak(web.pid) - before < 8 * MEBIBYTE
        # The connection is where it should be: what comes behind is a request, and what is not too large is heard.
        assert (await stranger.get("/healthz")).status_code == 200
        assert (await stranger.post("/api/v1/images", content=zeros(11 * MEBIBYTE))).status_code == 401
