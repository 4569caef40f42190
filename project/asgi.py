"""The application as a server runs it: Daphne, uvicorn, or any other ASGI server.

What a process needs beside its requests (chat/process.py) starts with the server and stops in order with it: by
project/lifespan.py where the server has lifespan events, by project/daphne.py under Daphne, which has none.
"""

from __future__ import annotations

import logging
import os
import sys

from django.core.asgi import get_asgi_application

from project import bodies, lifespan, logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
_django = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402  Django must be set up first

from chat import process  # noqa: E402
from chat.routing import websocket_urlpatterns  # noqa: E402

if "daphne.server" in sys.modules:
    from project import daphne

    daphne.follow(process.start, process.stop)

# Here and not in the settings, which would give the logger back what uvicorn's --no-access-log took from it.
logging.getLogger("uvicorn.access").addFilter(logs.WithoutQueries())

application = ProtocolTypeRouter(
    {
        "http": bodies.bounded(_django),
        "websocket": URLRouter(websocket_urlpatterns),
        "lifespan": lifespan.follow(process.start, process.stop),
    }
)
