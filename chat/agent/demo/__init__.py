"""The demo model: what answers when no real model is set, and is honest about it."""

from chat.agent.demo.model import NAME, DemoModel

__all__ = ["NAME", "DemoModel"]
