"""What went wrong in a tool, said to the model and shown on the tool's card."""

from __future__ import annotations


class ToolError(Exception):
    """A call that cannot be carried out as it was asked, in words by which the model or the person can do better."""
