"""How large the body of a request may be, whatever it is for: a larger one is refused before Django keeps it.

For ASGI servers that hand a body on as it comes. Daphne collects it before the application hears of the request;
project/daphne.py sees to it that it collects no more than is taken here.
"""

from __future__ import annotations

from typing import Any

import orjson
from django.conf import settings

from chat.errors import FrameTooLarge


class _TooLarge(Exception):
    """More has come than is taken."""


def bounded(application: Any) -> Any:
    """The ASGI application, which hears of no body over BODY_BYTES_MAX: that is answered here, in the API's words.

    What comes behind it on the connection is the server's to read and to drop: closing while the client still sends
    would take the answer from it.
    """

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        received = 0

        async def counted() -> Any:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > settings.BODY_BYTES_MAX:
                raise _TooLarge
            return message

        try:
            if int(dict(scope["headers"]).get(b"content-length", 0)) > settings.BODY_BYTES_MAX:
                raise _TooLarge
            await application(scope, counted, send)
        except _TooLarge:
            await _refuse(send)

    return answer


async def _refuse(send: Any) -> None:
    # A picture is the largest thing that there is to be sent; the limit is that with its form around it.
    problem = FrameTooLarge(f"A picture may have {settings.UPLOAD_BYTES_MAX // 2**20} MB.")
    body = orjson.dumps(problem.as_dict())
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
