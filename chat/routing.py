"""The WebSocket routes."""

from __future__ import annotations

from django.urls import path

from chat.consumers import ThreadConsumer, ThreadListConsumer

websocket_urlpatterns = [
    path("ws/threads/", ThreadListConsumer.as_asgi()),
    path("ws/threads/<str:thread_id>/", ThreadConsumer.as_asgi()),
]
