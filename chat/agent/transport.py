"""HTTP to the model's server: the openai client's requests, carried by aiohttp.

The client's own transport reads HTTP in Python, piece by piece through seven generators: a third of what a word costs
under load. Here a parser in C reads it, and a stream can be left alone for a while, so that what comes meanwhile is one
read (see ticks.py). The errors are those of the client's own transport: what is tried again, and what a person
reads of it, stays the same. Where a proxy is set the client's own transport is used.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import aiohttp
import httpx2
import openai
from yarl import URL

CONNECTIONS_MAX = 1000
OWN = "own_stream"
"""The extension of a response that was carried here: its stream."""
KEPT_SECONDS = 5.0
"""So long an idle connection is kept: servers close theirs at about the same age."""

_sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = WeakKeyDictionary()


def client() -> httpx2.AsyncClient | None:
    """The HTTP client for models, of whatever event loop; None where the openai client is to use its own."""
    if urllib.request.getproxies().keys() & {"http", "https", "all"} or os.environ.get("OPENAI_PROXY"):
        return None
    return openai.DefaultAsyncHttpxClient(transport=_Transport())


def parts(response: httpx2.Response) -> AsyncGenerator[bytes]:
    """The body as it comes. The client's own layers, each a generator, cost more than the parser below them."""
    own: _Stream | None = response.extensions.get(OWN)
    if own is None or "content-encoding" in response.headers:
        return response.aiter_bytes()
    return own.parts()


def listen(response: httpx2.Response) -> Callable[[bool], None] | None:
    """What turns on and off whether the body is read; None where it has to be read as it comes.

    So it is where the client's own transport carries it, and under TLS: there only the decrypting would pause, and
    uvloop throws away what it has not decrypted when the server closes the connection.
    """
    own: _Stream | None = response.extensions.get(OWN)
    return None if own is None or response.url.scheme == "https" else own.listen


async def close() -> None:
    """Close the running loop's connections."""
    session = _sessions.pop(asyncio.get_running_loop(), None)
    if session is not None:
        await session.close()


def _session(verified: ssl.SSLContext) -> aiohttp.ClientSession:
    loop = asyncio.get_running_loop()
    session = _sessions.get(loop)
    if session is None:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX, keepalive_timeout=KEPT_SECONDS, ssl=verified)
        session = _sessions[loop] = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )
    return session


class _Transport(httpx2.AsyncBaseTransport):
    def __init__(self) -> None:
        self._verified = httpx2.create_ssl_context()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        seconds = request.extensions.get("timeout", {})
        with _errors_of_the_client():
            response = await _session(self._verified).request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=await request.aread() or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    connect=seconds.get("pool"),
                    sock_connect=seconds.get("connect"),
                    sock_read=seconds.get("read"),
                ),
            )
        stream = _Stream(response)
        return httpx2.Response(
            response.status,
            headers=response.raw_headers,
            stream=stream,
            extensions={OWN: stream},
        )


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._listens = True

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.parts()

    async def parts(self) -> AsyncGenerator[bytes]:
        with _errors_of_the_client():
            while received := await self._response.content.readany():
                if not self._listens:
                    self.listen(False)  # to take what is there lets the connection be read again
                yield received

    def listen(self, listens: bool) -> None:
        self._listens = listens
        connection = self._response.connection
        # Without one, all has come. The connection may serve another answer already.
        if connection is not None and connection.transport is not None:
            if listens:
                connection.transport.resume_reading()
            else:
                connection.transport.pause_reading()

    async def aclose(self) -> None:
        # A connection whose answer was read to its end has gone back; any other is of no use.
        self._response.close()


@contextmanager
def _errors_of_the_client() -> Iterator[None]:
    """Raise aiohttp's errors as those of the client's own transport. What is raised in a yield passes."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx2.ConnectTimeout(str(error)) from error
    except TimeoutError as error:
        if not isinstance(error, aiohttp.ServerTimeoutError):
            raise
        raise httpx2.ReadTimeout(str(error)) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx2.ConnectError(str(error)) from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise httpx2.UnsupportedProtocol(str(error)) from error
    except aiohttp.ClientOSError as error:
        raise httpx2.ReadError(str(error)) from error
    except aiohttp.ClientError as error:
        raise httpx2.RemoteProtocolError(str(error)) from error
