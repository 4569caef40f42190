"""The demo model's rules for painting and for the background."""

from __future__ import annotations

import re
from typing import Any

from chat.agent.demo import prose
from chat.agent.demo.request import Call, Reply, Request, polite
from chat.agent.demo.words import changed, colour, gradient

ANY_PICTURE = "a quiet lake at dawn"

_PICTURE = r"(?:picture|image|painting|photo|drawing|illustration|wallpaper|poster|sketch)"
_PAGE = r"(?:background|backdrop|wallpaper)"
_LAST = (
    r"(?:the |that |your |this )?(?:last|latest|previous|newest|that|this|same)? ?"
    r"(?:picture|image|painting|one|it|that)"
)


def background(request: Request) -> Reply | None:
    """ "make the background deep blue", "a gradient from teal to navy", "no background", "use the last picture"."""
    if _asks_for_last_picture(request):
        return _set(request, "I put the newest picture behind our conversation.", kind="image")
    if request.find(r"\bgradient\b|\bfade from\b"):
        return _gradient(request)
    if not request.find(rf"\b{_PAGE}\b") or _subject(request.text) is not None:
        return None
    if request.find(
        r"\b(?:no|without(?: an?| the)?|remove|clear|reset|delete|turn off|get rid of|take away|empty)\b"
    ):
        return _set(request, "I take the background away.", kind="none")
    return _colour(request)


def change(request: Request) -> Reply | None:
    """ "make it night", "add a boat", "another like it": the last picture again, or changed."""
    again = request.find(
        r"^(?:(?:paint|draw|make|do|give me|show me)\s+)?(?:it |that |me )?"
        r"(?:another(?: one| picture| like (?:it|that|this))?|one more|again|once more|a different one)"
        r"[\s\w]{0,24}[.!?]*$"
    )
    to = (
        request.find(
            r"^(?:make|turn|paint|draw|have) (?:it|that|this|the (?:picture|image|painting))"
            r"(?: into| to)?(?: be)? (.+)$"
        )
        or request.find(r"^(?:the same|same)(?: picture| one)?,?(?: but)? (.+)$")
        or request.find(r"^((?:in|at|by|during) [\w ]{2,24})[.!]*$")
    )
    adds = request.find(r"^(?:add|put|now(?: with)?|with) (.+?)(?: to (?:it|the picture))?[.!]*$")
    if not (again or to or adds):
        return None
    if not request.memory.painted:
        return Reply("I have not painted anything in this conversation yet. Try “paint a red fox at sunset”.")
    prompt = request.memory.painted[-1]
    if to or adds:
        prompt = changed(prompt, (to or adds)[1], adds=not to)  # type: ignore[index]
    # "Another" keeps the prompt: each painting has a seed of its own.
    return _paint(request, [prompt])


def paint(request: Request) -> Reply | None:
    """ "paint a red fox at sunset", "a picture of a castle, in portrait format"; a call for each sentence."""
    if re.match(r"(?:can|could|do) you (?:paint|draw)\s*\?", request.memory.said[-1], re.IGNORECASE):
        return Reply(prose.ABILITIES)
    clauses = re.split(
        r"[.;!]\s+|\n+|,? and then |, then |,? and (?=(?:paint|draw|sketch)\b)",
        request.text,
        flags=re.IGNORECASE,
    )
    subjects = [_subject(polite(clause)) for clause in clauses]
    prompts = [subject or ANY_PICTURE for subject in subjects if subject is not None]
    return _paint(request, prompts) if prompts else None


def _asks_for_last_picture(request: Request) -> bool:
    return any(
        request.find(pattern)
        for pattern in (
            rf"\b(?:use|show|put|set|take|restore|bring)\b.*\b{_LAST}\b.*\b(?:as|back|behind|for)\b",
            rf"\b(?:use|show|restore)\b (?:the |that |your )?(?:last|latest|previous|newest) {_PICTURE}\b",
            rf"\bbackground\b.*\bto {_LAST}\b",
            r"\bmake (?:it|that|this) (?:the|my|a) background\b",
        )
    )


def _gradient(request: Request) -> Reply:
    stops = re.sub(
        r".*?\b(?:gradient|fade)\b(?= (?:from|of|with|between))", "", request.text, flags=re.IGNORECASE
    )
    if value := gradient(stops):
        return _set(request, "I lay that gradient behind our conversation.", kind="gradient", value=value)
    return Reply("I need two colours that I know for a gradient, for example “a gradient from teal to navy”.")


def _colour(request: Request) -> Reply | None:
    after = request.find(
        r"\b(?:make|set|change|turn|paint|draw|colou?r|want|give)\b.*"
        rf"\b{_PAGE}\b(?: colou?r)?(?: to be| to| into| in| as)? (.+)"
    )
    before = request.find(rf"\b(?:a|an|the)? ?([\w# ]+?) {_PAGE}\b")
    named = after or before
    phrase = re.sub(
        r"^(?:make|set|give|me|us|i want|use|change|it)\s+", "", named[1].strip(" .!?") if named else ""
    )
    if value := colour(phrase):
        return _set(request, "I change the colour of the background.", kind="color", value=value)
    if after and len(phrase.split()) > 1:
        return _paint(request, [phrase])
    if after or request.find(r"^(?:make|set|change|use)\b"):
        unknown = f" I do not know a colour called “{phrase}”." if after else ""
        return Reply(
            "Into what? I can make the background a colour, a gradient (“from teal to navy”), "
            f"a picture that I paint, or take it away.{unknown}"
        )
    return None


def _subject(clause: str) -> str | None:
    """What a clause asks to paint; "" when it asks for any picture, None when it asks for none."""
    verb = r"(?:make|create|generate|give|show|paint|draw|do)(?: me| us)?"
    number = r"(?:an?|another|some|one|the|two|three)"
    for pattern in (
        rf"(?:{verb} )?(?:{number} )?(?:\w+ )?{_PICTURE}s?(?:(?: of| showing| with|:)\s+(.+)|[.!?]*)$",
        r"(?:paint|draw|sketch|illustrate|render|imagine)(?: me| us)?(?: something(?: like)?)?\b\s*(.*)$",
    ):
        if found := re.match(pattern, clause, re.IGNORECASE | re.DOTALL):
            subject = re.sub(r"\s+", " ", found[1] or "").strip(" .!?,:")
            return (
                None if re.match(rf"(?:the|my|our) (?:{_PAGE}|page)\b", subject, re.IGNORECASE) else subject
            )
    return None


def _paint(request: Request, prompts: list[str]) -> Reply:
    if "generate_image" not in request.tools:
        return Reply("I have no tool for painting here.")
    calls = tuple(Call("generate_image", _arguments(prompt)) for prompt in prompts)
    named = " and ".join(f"**{call.args['prompt']}**" for call in calls)
    return Reply(f"I will paint {named} for you. One moment.", calls)


def _arguments(prompt: str) -> dict[str, Any]:
    """The tool's arguments: what is said of the format and of the background is no part of the prompt."""
    args: dict[str, Any] = {}
    for size, pattern in _SIZES.items():
        shorter = re.sub(pattern, "", prompt, flags=re.IGNORECASE)
        if shorter != prompt:
            prompt, args["size"] = shorter, size
    without = re.sub(_NOT_BEHIND, "", prompt, flags=re.IGNORECASE)
    if without != prompt:
        prompt, args["as_background"] = without, False
    prompt = re.sub(_AS_BACKGROUND, "", prompt, flags=re.IGNORECASE).strip(" ,.")
    return {"prompt": prompt or ANY_PICTURE, **args}


_AS = r",? ?\b(?:in|as an?)? ?"
_SIZES = {
    "portrait": _AS
    + r"(?:portrait (?:format|orientation|size)|a? ?(?:tall|vertical|upright) format|for my phone)\b",
    "landscape": _AS + r"(?:landscape (?:format|orientation|size)|a? ?(?:wide|horizontal) format)\b",
    "square": _AS + r"(?:an? )?square(?: format)?$",
}
_NOT_BEHIND = (
    r",? ?\b(?:but |and )?(?:not as (?:a|the) background|without changing the background|"
    r"(?:do not|don(?:'|’)t) (?:change|touch|use it as) (?:the|a) background|"
    r"(?:keep|leave) the background(?: as it is)?)\b"
)
_AS_BACKGROUND = (
    r",? ?\b(?:and )?(?:(?:use|set|make|put) it )?(?:as|behind) (?:a|the|my) "
    r"(?:background|wallpaper|conversation)\b"
)


def _set(request: Request, text: str, **args: Any) -> Reply:
    if "set_background" not in request.tools:
        return Reply("I have no tool for the background here.")
    return Reply(text, (Call("set_background", args),))
