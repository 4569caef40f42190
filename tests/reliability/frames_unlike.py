"""Frames that are not the protocol, from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

_TYPES = (
    "send_message",
    "stop",
    "retry",
    "received",
    "ping",
    "edit_message",
    "snapshot",
    "",
    "\x00",
    "é" * 50,
)


def malformed(seed: int) -> Iterator[str | bytes]:
    """Without end: broken JSON, wrong kinds, unknown commands, missing, unknown and oversized fields, bytes."""
    chance = random.Random(seed)
    while True:
        yield chance.choice(_KINDS)(chance)


def _broken(chance: random.Random) -> str:
    text = json.dumps(_frame(chance))
    place = chance.randrange(1, len(text))
    return (
        text[:place]
        + chance.choice(["", "\x00", "}", "\\", "\ufffd", '"'])
        + text[place + 1 :][: chance.randrange(3)]
    )


def _not_an_object(chance: random.Random) -> str:
    return json.dumps(chance.choice([None, True, 3, 1e308, "x", [], [[]] * 9, [{"type": "ping"}]]))


def _no_type(chance: random.Random) -> str:
    return json.dumps({"type": chance.choice([None, 1, [], {}, True]), "id": "x"})


def _unknown(chance: random.Random) -> str:
    return json.dumps(
        {"type": "x" + "".join(chance.choices("abc_\u2028é", k=chance.randrange(1, 40))), "id": "x"}
    )


def _wrong_fields(chance: random.Random) -> str:
    frame = _frame(chance)
    frame["type"] = chance.choice(("send_message", "stop", "retry", "received"))
    frame[chance.choice(("id", "text", "seq", "run_id", "extra" + str(chance.random())))] = _value(chance)
    frame["nothing_of_ours"] = _value(chance)
    return json.dumps(frame)


def _unstorable(chance: random.Random) -> str:
    bad = chance.choice(("\\u0000", "\\ud800", "\\udfff\\ud800"))
    return '{"type":"send_message","id":"' + str(chance.random()) + '","text":"' + bad + '"}'


def _deep(chance: random.Random) -> str:
    depth = chance.randrange(10, 3000)
    return '{"type":' + "[" * depth + "]" * depth + "}"


def _bytes(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(0, 60))


def _frame(chance: random.Random) -> dict[str, Any]:
    return {"type": chance.choice(_TYPES), "id": _value(chance), "text": _value(chance)}


def _value(chance: random.Random) -> Any:
    return chance.choice([None, -1, 2**70, 0.5, True, "", "x" * 70, [], [None], {}, {"a": {}}, "\x00"])


_KINDS = (_broken, _not_an_object, _no_type, _unknown, _wrong_fields, _unstorable, _deep, _bytes)
