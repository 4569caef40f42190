"""A run's words on their way: past the stream where nothing is before them, and in order always."""

from __future__ import annotations

from chat.agent.voice import Line, Said


class Run:
    """Tells at once what comes past its stream, unless it is `busy`; what is in the stream is told by `read`."""

    def __init__(self) -> None:
        self.busy = False
        self.stream: list[object] = []
        self.told: list[object] = []
        self.line = Line(self._tell)
        self.say = self.line.through(self.stream.append)

    def _tell(self, said: Said) -> bool:
        if not self.busy:
            self.told.append(said)
        return not self.busy

    def read(self) -> None:
        part = self.stream.pop(0)
        self.line.close()
        self.told.append(part)
        self.line.open(part)


A, B, C = (Said("m", text) for text in "abc")


def test_the_first_words_of_a_message_come_by_the_stream_and_the_next_past_it() -> None:
    run = Run()
    run.stream.append("a step before")
    run.say(A)
    assert run.told == []
    run.read()
    run.read()
    run.say(B)
    run.say(C)
    assert (run.told, run.stream) == (["a step before", A, B, C], [])


def test_words_do_not_overtake_those_in_the_stream() -> None:
    run = Run()
    run.say(A)
    run.say(B)
    run.read()
    run.say(C)
    assert (run.told, run.stream) == ([A], [B, C])
    run.read()
    run.read()
    assert run.told == [A, B, C]


def test_words_wait_for_a_part_that_is_being_told() -> None:
    run = Run()
    run.say(A)
    run.read()
    run.line.close()
    run.say(B)
    assert (run.told, run.stream) == ([A], [B])


def test_another_message_begins_behind_what_the_stream_holds() -> None:
    run = Run()
    run.say(A)
    run.read()
    run.stream.append("the end of the first message")
    other = Said("n", "d")
    run.say(other)
    assert run.told == [A]
    run.read()
    run.read()
    assert run.told == [A, "the end of the first message", other]


def test_what_cannot_be_told_at_once_goes_by_the_stream_and_holds_the_next_back() -> None:
    run = Run()
    run.say(A)
    run.read()
    run.busy = True
    run.say(B)
    run.busy = False
    run.say(C)
    assert (run.told, run.stream) == ([A], [B, C])
