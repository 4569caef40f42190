"""Where a list goes on: the place of the last one shown, which holds although that one be deleted meanwhile."""

from __future__ import annotations

import base64
from datetime import datetime
from uuid import UUID

from chat.errors import InvalidField


def cursor(when: datetime, id_: UUID) -> str:
    """The place of what has this time and this id, as clients are given it."""
    return base64.urlsafe_b64encode(f"{when.isoformat()} {id_}".encode()).decode()


def place(text: str) -> tuple[datetime, UUID]:
    """The time and the id that a cursor was made of. Raises InvalidField."""
    try:
        when, id_ = base64.urlsafe_b64decode(text.encode()).decode().split(" ")
        found = datetime.fromisoformat(when), UUID(id_)
        if found[0].tzinfo is None:
            raise ValueError(when)
    except ValueError:
        raise InvalidField("This cursor is none that a list gave.", field="cursor") from None
    return found
