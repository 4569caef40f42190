"""The WebSockets: authorise, parse, call, write frames. No rule of the product lives here."""

from chat.consumers.thread import ThreadConsumer
from chat.consumers.thread_list import ThreadListConsumer

__all__ = ["ThreadConsumer", "ThreadListConsumer"]
