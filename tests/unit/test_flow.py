"""Flow control: what was sent and not received, counted together in marks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chat.flow import MARK_BYTES, UNRECEIVED_BYTES_MAX, Unreceived

FRAMES = st.lists(st.integers(1, 3 * MARK_BYTES), min_size=1, max_size=200)


@given(FRAMES, st.data())
def test_what_was_received_makes_room_but_for_less_than_a_mark(sizes: list[int], data: st.DataObject) -> None:
    received = data.draw(st.integers(0, len(sizes)))
    unreceived = Unreceived()
    for seq, size in enumerate(sizes, 1):
        unreceived.send(seq, size)
    unreceived.receive(received)
    left = sum(sizes[received:])
    if received == len(sizes):
        assert unreceived.has_room(10 * UNRECEIVED_BYTES_MAX)  # nothing is under way
    else:
        assert not unreceived.has_room(UNRECEIVED_BYTES_MAX - left + 1)
        assert unreceived.has_room(max(0, UNRECEIVED_BYTES_MAX - left - MARK_BYTES)) or left > (
            UNRECEIVED_BYTES_MAX - MARK_BYTES
        )


def test_many_small_frames_are_few_marks() -> None:
    unreceived = Unreceived()
    for seq in range(1, 10_001):
        unreceived.send(seq, 100)
    assert len(unreceived._marks) <= 2 * 1_000_000 // MARK_BYTES
