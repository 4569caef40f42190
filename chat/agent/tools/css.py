"""The CSS that a background may be made of: colours and gradients of them, and nothing that loads or refers.

A value that passes here is put into a style of the page as it is, so the grammar is a closed one: what it does not name
(url(), var(), calc(), image-set(), comments, escapes, semicolons, braces, quotes) cannot be written in it.
"""

from __future__ import annotations

import re

LONGEST = 500
MOST_STOPS = 16

_NUMBER = r"[+-]?(?:[0-9]{1,6}(?:\.[0-9]{1,6})?|\.[0-9]{1,6})"
_ANGLE = rf"(?:{_NUMBER}(?:deg|grad|rad|turn)|0)"
_LENGTH = rf"{_NUMBER}(?:%|px|em|rem|vw|vh|vmin|vmax)?"
_HUE = rf"(?:{_NUMBER}(?:deg|grad|rad|turn)?|none)"
_PART = rf"(?:{_NUMBER}%?|none)"
_ALPHA = rf"(?: ?/ ?{_PART})?"

_HEX = re.compile(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})")
_FUNCTIONS = re.compile(
    "|".join(
        (
            rf"rgba?\({_PART} {_PART} {_PART}{_ALPHA}\)",
            rf"rgba?\({_PART}, {_PART}, {_PART}(?:, {_PART})?\)",
            rf"hsla?\({_HUE} {_PART} {_PART}{_ALPHA}\)",
            rf"hsla?\({_HUE}, {_PART}, {_PART}(?:, {_PART})?\)",
            rf"hwb\({_HUE} {_PART} {_PART}{_ALPHA}\)",
            rf"(?:ok)?lab\({_PART} {_PART} {_PART}{_ALPHA}\)",
            rf"(?:ok)?lch\({_PART} {_PART} {_HUE}{_ALPHA}\)",
        )
    )
)
_NAMES = frozenset(
    """
    aliceblue antiquewhite aqua aquamarine azure beige bisque black blanchedalmond blue blueviolet brown
    burlywood cadetblue chartreuse chocolate coral cornflowerblue cornsilk crimson cyan darkblue darkcyan
    darkgoldenrod darkgray darkgreen darkgrey darkkhaki darkmagenta darkolivegreen darkorange darkorchid darkred
    darksalmon darkseagreen darkslateblue darkslategray darkslategrey darkturquoise darkviolet deeppink
    deepskyblue dimgray dimgrey dodgerblue firebrick floralwhite forestgreen fuchsia gainsboro ghostwhite gold
    goldenrod gray green greenyellow grey honeydew hotpink indianred indigo ivory khaki lavender lavenderblush
    lawngreen lemonchiffon lightblue lightcoral lightcyan lightgoldenrodyellow lightgray lightgreen lightgrey
    lightpink lightsalmon lightseagreen lightskyblue lightslategray lightslategrey lightsteelblue lightyellow
    lime limegreen linen magenta maroon mediumaquamarine mediumblue mediumorchid mediumpurple mediumseagreen
    mediumslateblue mediumspringgreen mediumturquoise mediumvioletred midnightblue mintcream mistyrose moccasin
    navajowhite navy oldlace olive olivedrab orange orangered orchid palegoldenrod palegreen paleturquoise
    palevioletred papayawhip peachpuff peru pink plum powderblue purple rebeccapurple red rosybrown royalblue
    saddlebrown salmon sandybrown seagreen seashell sienna silver skyblue slateblue slategray slategrey snow
    springgreen steelblue tan teal thistle tomato transparent turquoise violet wheat white whitesmoke yellow
    yellowgreen
    """.split()  # noqa: SIM905
)

_SPACE = r"in (?:srgb|srgb-linear|lab|oklab|(?:hsl|hwb|lch|oklch)(?: (?:shorter|longer|increasing|decreasing) hue)?)"
_SIDE = r"to (?:(?:left|right)(?: (?:top|bottom))?|(?:top|bottom)(?: (?:left|right))?)"
_PLACE = rf"(?:left|right|top|bottom|center|{_LENGTH})"
_AT = rf"at {_PLACE}(?: {_PLACE})?"
_EXTENT = rf"(?:(?:closest|farthest)-(?:side|corner)|{_LENGTH}(?: {_LENGTH})?)"
_SHAPE = rf"(?:(?:circle|ellipse)(?: {_EXTENT})?|{_EXTENT}(?: (?:circle|ellipse))?)"


_PRELUDES = {
    "linear": re.compile(rf"(?:{_ANGLE}|{_SIDE})(?: {_SPACE})?|{_SPACE}"),
    "radial": re.compile(rf"{_SHAPE}(?: {_AT})?(?: {_SPACE})?|{_AT}(?: {_SPACE})?|{_SPACE}"),
    "conic": re.compile(rf"from {_ANGLE}(?: {_AT})?(?: {_SPACE})?|{_AT}(?: {_SPACE})?|{_SPACE}"),
}
_GRADIENT = re.compile(r"(?:repeating-)?(linear|radial|conic)-gradient\((.*)\)")
_STOP_PLACE = re.compile(rf"(?:{_LENGTH}|{_ANGLE})(?: (?:{_LENGTH}|{_ANGLE}))?")


def color(text: str) -> str:
    """The colour in a canonical spelling; ValueError says what is expected."""
    value = _canonical(text)
    if not _is_color(value):
        raise ValueError(
            f"{text[:80]!r} is not a colour. Write a CSS colour: a name (navy), hex (#102a43), or rgb(), hsl(), oklch()"
            " with plain numbers."
        )
    return value


def gradient(text: str) -> str:
    """The gradient in a canonical spelling; ValueError says what is expected."""
    value = _canonical(text)
    if not _is_gradient(value):
        raise ValueError(
            f"{text[:80]!r} is not a gradient. Write one CSS gradient of plain colours, for example"
            " linear-gradient(160deg, #0f766e, #1e3a8a 80%); linear, radial and conic ones are possible."
        )
    return value


def _canonical(text: str) -> str:
    if len(text) > LONGEST:
        return ""
    value = re.sub(r"\s+", " ", text.strip().lower())
    value = re.sub(r" ?([(,]) ?", lambda m: "(" if m[1] == "(" else ", ", value)
    return re.sub(r" \)", ")", value)


def _is_color(value: str) -> bool:
    return value in _NAMES or bool(_HEX.fullmatch(value) or _FUNCTIONS.fullmatch(value))


def _is_gradient(value: str) -> bool:
    found = _GRADIENT.fullmatch(value)
    if not found:
        return False
    kind, inside = found[1], _arguments(found[2])
    if _PRELUDES[kind].fullmatch(inside[0]):
        inside = inside[1:]
    colors = [_is_stop(argument) for argument in inside]
    hints = [bool(_STOP_PLACE.fullmatch(argument)) for argument in inside]
    return (
        2 <= sum(colors) <= MOST_STOPS
        and all(stop or hint for stop, hint in zip(colors, hints, strict=True))
        # A hint stands between two colours.
        and not any(hint and (at in (0, len(inside) - 1) or hints[at - 1]) for at, hint in enumerate(hints))
    )


def _is_stop(argument: str) -> bool:
    """A colour, with up to two places after it."""
    end = argument.rfind(")") + 1 or (argument.find(" ") if " " in argument else len(argument))
    value, place = argument[:end], argument[end:].strip()
    return _is_color(value) and (not place or bool(_STOP_PLACE.fullmatch(place)))


def _arguments(inside: str) -> list[str]:
    """Split at the commas that are not within a function's parentheses."""
    arguments, depth, start = [], 0, 0
    for at, character in enumerate(inside):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == "," and depth == 0:
            arguments.append(inside[start:at].strip())
            start = at + 1
    return [*arguments, inside[start:].strip()]
