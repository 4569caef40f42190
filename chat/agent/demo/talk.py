"""The demo model's rules for everything that is only said."""

from __future__ import annotations

from chat.agent.demo import prose
from chat.agent.demo.memory import fact_in, first_line
from chat.agent.demo.request import Reply, Request

MAX_COUNT = 2_000

_SAID = r"(?:ask|asked|say|said|write|wrote)"


def repeat(request: Request) -> Reply | None:
    found = request.find(r"^(?:say|repeat(?: after me)?|echo)(?: exactly)?\s*:\s*(.+)$")
    return Reply(found[1]) if found else None


def count(request: Request) -> Reply | None:
    found = request.find(r"^count (?:up |down )?(?:from (\d{1,9}) )?(?:up |down )?to (\d{1,9})\b")
    if not found:
        return None
    first, last = int(found[1] or 1), int(found[2])
    if abs(last - first) >= MAX_COUNT:
        return Reply(f"That would be {abs(last - first) + 1:,} numbers; I count {MAX_COUNT:,} at most.")
    step = 1 if last >= first else -1
    return Reply(" ".join(str(number) for number in range(first, last + step, step)))


def recall(request: Request) -> Reply | None:
    memory = request.memory
    if request.find(r"\bwho am i\b|\bdo you (?:know|remember) my name\b|\bwhat(?:'|’)?s? (?:is )?my name\b"):
        name = memory.fact("name")
        return Reply(
            f"Your name is **{name}**." if name else "You have not told me your name in this conversation."
        )
    if request.find(
        rf"\bwhat (?:did|have) (?:i|we) {_SAID}[\w ]*\bfirst\b|\bmy first (?:question|message)\b"
    ):
        return Reply(
            f"The first thing you wrote was: “{memory.said[0]}”" if memory.said[1:] else "This is the first."
        )
    if request.find(
        rf"\bwhat (?:did|have) i (?:just )?{_SAID}\b|\bmy (?:last|previous) (?:question|message)\b"
    ):
        return Reply(
            f"Before this you wrote: “{memory.said[-2]}”" if memory.said[1:] else "Nothing before this."
        )
    if request.find(r"\bwhat (?:did|have) you (?:paint|painted|draw|drawn|make|made)\b|\bwhich pictures\b"):
        if not memory.painted:
            return Reply("I have not painted anything in this conversation yet.")
        return Reply(
            "I painted:\n\n" + "\n".join(f"{at}. {prompt}" for at, prompt in enumerate(memory.painted, 1))
        )
    if request.find(r"\bsumm?ari[sz]e\b.*\b(?:conversation|chat|this|thread)\b"):
        lines = "\n".join(f"- {first_line(text, 100)}" for text in memory.said[:-1][-12:])
        return Reply(f"You wrote:\n\n{lines}" if lines else "There is nothing to sum up yet.")
    if found := request.find(r"\b(?:what|which|who|where)(?:'|’)?s? (?:is|are|was)? ?my ([\w ]{2,40})\?*$"):
        value = memory.fact(found[1])
        about = found[1].strip()
        return Reply(
            f"Your {about} is **{value}**."
            if value
            else f"You have not told me your {about} in this conversation."
        )
    return None


def look(request: Request) -> Reply | None:
    asks = (
        r"\b(?:what|who|whose|where|which|how|describe|explain|see|look|read|recogni[sz]e|tell me|like it)\b"
    )
    return Reply(prose.BLIND) if request.attached and request.find(asks) else None


def remember(request: Request) -> Reply | None:
    if fact := fact_in(request.text):
        about, value = fact
        if about == "name":
            return Reply(f"Nice to meet you, **{value}**. I will remember your name in this conversation.")
        return Reply(f"Noted: your {about} is **{value}**.")
    return None


def markdown(request: Request) -> Reply | None:
    wanted = {
        "headings": r"\bheadings?\b", "lists": r"\blists?\b|\bbullets?\b", "table": r"\btables?\b",
        "quote": r"\bquotes?\b|\bblockquote\b",
        "python": r"\bpython\b", "javascript": r"\bjavascript\b|\bjs\b", "sql": r"\bsql\b",
    }  # fmt: skip
    names = [name for name, pattern in wanted.items() if request.find(pattern)]
    if not names and request.find(r"\bmarkdown\b"):
        names = list(wanted)
    if not names and request.find(r"\b(?:code|program|function|script)\b"):
        names = ["python", "javascript", "sql"]
    asks = request.find(r"\b(?:show|write|give|make|example|sample|print|have|code|some|an?|markdown)\b")
    if not names or not asks or request.find(r"\b(?:explain|how|why)\b"):
        return None
    return Reply("\n\n".join(["A sample that I keep for this:", *(prose.SAMPLES[name] for name in names)]))


def explain(request: Request) -> Reply | None:
    if request.find(
        r"\b(?:write|give|tell|make|show)\b.*\blong\b|\blong (?:answer|text|story|essay|reply)\b"
    ):
        return Reply(prose.long_answer())
    if request.find(r"\b(?:about|what is|what are|what's|explain|how do(?:es)?|describe|why)\b"):
        known = prose.topic(request.text)
        return Reply(known) if known else None
    return None


def introduce(request: Request) -> Reply | None:
    if request.find(r"\bwhat (?:can|could|do) you (?:do|know)\b|\bhelp\b|\bwhat are you able\b"):
        return Reply(prose.ABILITIES)
    if request.find(
        r"\b(?:who|what) are you\b|\byour name\b|\b(?:what|which) (?:model|llm)\b|"
        r"\b(?:are you|is this) .*"
        r"\b(?:real|ai|gpt|chatgpt|human|bot|model|claude|intelligent|demo)\b|\byou a (?:real|language)\b"
    ):
        return Reply(prose.ABOUT_ME)
    return None


def greet(request: Request) -> Reply | None:
    name = request.memory.fact("name")
    to = f", {name}" if name else ""
    if request.find(
        r"^(?:hi|hello|hey|hiya|good (?:morning|evening|afternoon|day)|greetings|moin|hallo|bonjour|hola)\b"
    ):
        return Reply(f"Hello{to}! I am the demo model. Ask me to paint something, or ask what I can do.")
    if request.find(r"\b(?:thanks|thank you|thx|cheers)\b"):
        return Reply(f"You are welcome{to}.")
    if request.find(r"^(?:bye|goodbye|see you|good night|ciao)\b"):
        return Reply(f"Goodbye{to}. This conversation will be here when you come back.")
    if request.find(r"^how are you\b"):
        return Reply("All my rules are in order, thank you. What shall we paint?")
    if request.find(r"^(?:wow|great|nice|beautiful|lovely|cool|super|perfect|wonderful)\b"):
        return Reply("I am glad you like it. Shall I paint another?")
    return None
