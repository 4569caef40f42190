"""Events from bytes that are cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.agent import server_sent_events
from chat.agent.server_sent_events import EventData, EventTooLarge


def read(*parts: bytes) -> list[bytes]:
    events = EventData()
    return [data for part in parts for data in events.feed(part)]


def test_only_data_is_told() -> None:
    body = b": comment\n\nevent: x\nid: 1\nretry: 2\ndata: a\n\n\ndata:b\n\nid: 3\n\ndata: c\ndata:  d\n\ndata: half"
    assert read(body) == [b"a", b"b", b"c\n d"]


@given(
    ends=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    cuts=st.lists(st.integers(0, 80), max_size=12),
)
def test_cuts_and_line_ends_change_nothing(ends: bytes, cuts: list[int]) -> None:
    body = 'data: {"ü": 1}\n\n: c\n\nevent: e\ndata: 🦊\ndata: b\n\ndata:x\n\n:\n'.encode().replace(
        b"\n", ends
    )
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    parts = [body[start:stop] for start, stop in pairwise(places)]
    assert read(*parts) == ['{"ü": 1}'.encode(), "🦊\nb".encode(), b"x"]


def test_an_event_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_sent_events, "MAX_EVENT_BYTES", 100)
    with pytest.raises(EventTooLarge):
        read(b"data: ", b"x" * 60, b"x" * 60)
