"""What the demo model says: rules from a conversation to a reply.

`reply` is a pure function of the messages and the names of the tools. The rules are tried in the order
of `_RULES`; each looks at the last thing the person said and either answers or passes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from chat.agent.demo import prose
from chat.agent.demo.memory import Memory, fact_in, first_line, title
from chat.agent.demo.words import changed, colour, gradient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_COUNT = 2_000


@dataclass(frozen=True)
class Call:
    """A tool call to be made."""

    name: str
    args: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What the model says, and then the tools that it calls."""

    text: str
    tool_calls: tuple[Call, ...] = field(default=())


@dataclass(frozen=True)
class Request:
    """The last thing the person said, with what it is said in."""

    text: str
    memory: Memory
    tools: frozenset[str]
    attached: bool

    def find(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, self.text, re.IGNORECASE | re.DOTALL)


def reply(messages: Sequence[BaseMessage], tools: frozenset[str]) -> Reply:
    """The demo model's next words and tool calls in a conversation."""
    if special := _for_the_application(messages):
        return Reply(special)
    results = _tool_results(messages)
    if results:
        return Reply("\n\n".join(_result(message, call) for message, call in results))
    memory = Memory.of(messages)
    text = memory.said[-1] if memory.said else ""
    last = messages[-1] if messages else None
    attached = (
        isinstance(last, HumanMessage)
        and isinstance(last.content, list)
        and any(
            isinstance(block, dict) and block.get("type") in ("image", "image_url") for block in last.content
        )
    )
    request = Request(_polite(text), memory, tools, attached)
    for rule in _RULES:
        if (answer := rule(request)) is not None:
            return answer
    return Reply(_unknown(request))


def _for_the_application(messages: Sequence[BaseMessage]) -> str | None:
    """Requests that the application makes by itself: a title, a summary of what became too long."""
    texts = [str(message.text) for message in messages]
    if any(text.lstrip().startswith("Give this conversation a title") for text in texts):
        return title(messages)
    if texts and "Messages to summarize:" in texts[-1]:
        said = re.findall(
            r"^(?:Human|User): (.+)$", texts[-1].rpartition("Messages to summarize:")[2], re.MULTILINE
        )
        return "What the person said so far:\n" + "\n".join(
            f"- {first_line(line, 200)}" for line in said[-60:]
        )
    return None


def _tool_results(messages: Sequence[BaseMessage]) -> list[tuple[ToolMessage, Call]]:
    """The results at the end of the conversation, with the calls they answer."""
    results: list[ToolMessage] = []
    for message in reversed(messages):
        if isinstance(message, ToolMessage):
            results.insert(0, message)
        elif isinstance(message, AIMessage) and results:
            calls = {call["id"]: Call(call["name"], call["args"]) for call in message.tool_calls}
            return [(result, calls.get(result.tool_call_id, Call("", {}))) for result in results]
        else:
            break
    return []


def _result(message: ToolMessage, call: Call) -> str:
    said = first_line(str(message.text), 300)
    if message.status == "error":
        return f"That did not work: {said}" + ("" if said.endswith((".", "!", "?")) else ".")
    if call.name == "generate_image":
        behind = (
            "" if call.args.get("as_background") is False else " I put it behind our conversation as well."
        )
        return (
            f"There it is: **{call.args.get('prompt', 'your picture')}**.{behind}\n\n"
            "If you would like it otherwise, say “make it night”, “add a boat”, or “another like it”."
        )
    if call.name == "set_background":
        match call.args.get("kind"):
            case "none":
                return "Done, the background is plain again."
            case "image":
                return "Done, the picture is behind our conversation now."
            case _:
                return (
                    f"Done, the background is `{call.args.get('value')}` now. “No background” takes it away."
                )
    return f"The tool answered: {said}"


def _polite(text: str) -> str:
    """A request without the politeness around it, so that "could you please paint" is "paint"."""
    opening = (
        r"^\s*(?:(?:please|now|ok(?:ay)?|well|so|hey|hello|hi|and|then|great|thanks|thank you|nice|cool|yes)\b[\s,.!:]+|"
        r"(?:can|could|would|will) you(?: please)?\s+|(?:i(?:'d| would) like|i want) you to\s+|let(?:'|’)?s\s+)+"
    )
    stripped = re.sub(opening, "", text, flags=re.IGNORECASE)
    return (
        re.sub(r"[\s,]*\bplease\b([.!?]*)\s*$", r"\1", stripped, flags=re.IGNORECASE).strip() or text.strip()
    )


# Rules, in the order in which they are tried.


def _repeat(request: Request) -> Reply | None:
    found = request.find(r"^(?:say|repeat(?: after me)?|echo)(?: exactly)?\s*:\s*(.+)$")
    return Reply(found[1]) if found else None


def _count(request: Request) -> Reply | None:
    found = request.find(r"^count (?:up |down )?(?:from (\d{1,9}) )?(?:up |down )?to (\d{1,9})\b")
    if not found:
        return None
    first, last = int(found[1] or 1), int(found[2])
    if abs(last - first) >= MAX_COUNT:
        return Reply(f"That would be {abs(last - first) + 1:,} numbers; I count {MAX_COUNT:,} at most.")
    step = 1 if last >= first else -1
    return Reply(" ".join(str(number) for number in range(first, last + step, step)))


def _recall(request: Request) -> Reply | None:
    memory = request.memory
    if request.find(r"\bwho am i\b|\bdo you (?:know|remember) my name\b|\bwhat(?:'|’)?s? (?:is )?my name\b"):
        name = memory.fact("name")
        return Reply(
            f"Your name is **{name}**." if name else "You have not told me your name in this conversation."
        )
    if request.find(
        r"\bwhat (?:did|have) (?:i|we) (?:ask|asked|say|said|write|wrote)[\w ]*\bfirst\b|\bmy first (?:question|message)\b"
    ):
        return Reply(
            f"The first thing you wrote was: “{memory.said[0]}”" if memory.said[1:] else "This is the first."
        )
    if request.find(
        r"\bwhat (?:did|have) i (?:just )?(?:ask|asked|say|said|write|wrote)\b|\bmy (?:last|previous) (?:question|message)\b"
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


def _remember(request: Request) -> Reply | None:
    if fact := fact_in(request.text):
        about, value = fact
        if about == "name":
            return Reply(f"Nice to meet you, **{value}**. I will remember your name in this conversation.")
        return Reply(f"Noted: your {about} is **{value}**.")
    return None


def _background(request: Request) -> Reply | None:
    last = r"(?:the |that |your |this )?(?:last|latest|previous|newest|that|this|same)? ?(?:picture|image|painting|one|it|that)"
    if (
        request.find(rf"\b(?:use|show|put|set|take|restore|bring)\b.*\b{last}\b.*\b(?:as|back|behind|for)\b")
        or request.find(
            r"\b(?:use|show|restore)\b (?:the |that |your )?(?:last|latest|previous|newest) (?:picture|image|painting)\b"
        )
        or request.find(rf"\bbackground\b.*\bto {last}\b")
        or request.find(r"\bmake (?:it|that|this) (?:the|my|a) background\b")
    ):
        return _call(
            request, "I put the newest picture behind our conversation.", "set_background", kind="image"
        )
    about_it = request.find(r"\b(?:background|backdrop|wallpaper)\b")
    if about_it and request.find(
        r"\b(?:no|without(?: an?| the)?|remove|clear|reset|delete|turn off|get rid of|take away|empty)\b"
    ):
        if not _paints(request.text):
            return _call(request, "I take the background away.", "set_background", kind="none")
    if request.find(r"\bgradient\b|\bfade from\b"):
        value = gradient(
            re.sub(
                r".*?\b(?:gradient|fade)\b(?= (?:from|of|with|between))",
                "",
                request.text,
                flags=re.IGNORECASE,
            )
        )
        if value:
            return _call(
                request,
                "I lay that gradient behind our conversation.",
                "set_background",
                kind="gradient",
                value=value,
            )
        return Reply(
            "I need two colours that I know for a gradient, for example “a gradient from teal to navy”."
        )
    if not about_it or _paints(request.text):
        return None
    asked = request.find(
        r"\b(?:make|set|change|turn|paint|draw|colou?r|want|give)\b.*\b(?:background|backdrop|wallpaper)\b(?: colou?r)?(?: to be| to| into| in| as)? (.+)"
    )
    before = request.find(r"\b(?:a|an|the)? ?([\w# ]+?) (?:background|backdrop|wallpaper)\b")
    phrase = asked[1] if asked else before[1] if before else ""
    phrase = re.sub(r"^(?:make|set|give|me|us|i want|use|change|it)\s+", "", phrase.strip(" .!?"))
    if value := colour(phrase):
        return _call(
            request, "I change the colour of the background.", "set_background", kind="color", value=value
        )
    if asked and len(phrase.split()) > 1:
        return _paint_it(request, [phrase])
    if asked or request.find(r"^(?:make|set|change|use)\b"):
        return Reply(
            "Into what? I can make the background a colour, a gradient (“from teal to navy”), a picture that I paint, "
            "or take it away." + (f" I do not know a colour called “{phrase}”." if phrase else "")
        )
    return None


def _paint(request: Request) -> Reply | None:
    if re.match(r"(?:can|could|do) you (?:paint|draw)\s*\?", request.memory.said[-1], re.IGNORECASE):
        return Reply(prose.ABILITIES)
    prompts = []
    for clause in re.split(
        r"(?:[.;!]\s+|\n+|,? and then |, then |,? and (?=(?:paint|draw|sketch)\b))", request.text
    ):
        subject = _subject(_polite(clause))
        if subject is not None:
            prompts.append(subject)
    if not prompts:
        return None
    return _paint_it(request, [prompt or "a quiet lake at dawn" for prompt in prompts])


def _change(request: Request) -> Reply | None:
    last = request.memory.painted[-1] if request.memory.painted else None
    again = request.find(
        r"^(?:(?:paint|draw|make|do|give me|show me)\s+)?(?:it |that |me )?"
        r"(?:another(?: one| picture| like (?:it|that|this))?|one more|again|once more|a different one)[\s\w]{0,24}[.!?]*$"
    )
    change = request.find(
        r"^(?:make|turn|paint|draw|have) (?:it|that|this|the (?:picture|image|painting))(?: into| to)?(?: be)? (.+)$"
    ) or request.find(r"^(?:the same|same)(?: picture| one)?,?(?: but)? (.+)$") or request.find(
        r"^(?:add|put|now(?: with)?|with) (.+?)(?: to (?:it|the picture))?[.!]*$"
    )  # fmt: skip
    if not again and not change:
        return None
    if last is None:
        return Reply("I have not painted anything in this conversation yet. Try “paint a red fox at sunset”.")
    if again:
        prompt = last  # each painting has a seed of its own
    else:
        assert change is not None
        prompt = changed(last, change[1], adds=bool(request.find("^(?:add|put|now|with)")))
    return _paint_it(request, [prompt])


def _markdown(request: Request) -> Reply | None:
    wanted = {
        "headings": r"\bheadings?\b", "lists": r"\blists?\b|\bbullets?\b", "table": r"\btables?\b",
        "quote": r"\bquotes?\b|\bblockquote\b", "formula": r"\bformulas?\b|\bequations?\b|\blatex\b|\bmath\b",
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
    return Reply(
        "\n\n".join(["A sample that I keep for this:", *(prose.SAMPLES[name] for name in names)])
    )


def _explain(request: Request) -> Reply | None:
    if request.find(
        r"\b(?:write|give|tell|make|show)\b.*\blong\b|\blong (?:answer|text|story|essay|reply)\b"
    ):
        return Reply(prose.long_answer())
    if request.find(r"\b(?:about|what is|what are|what's|explain|how do(?:es)?|describe|why)\b"):
        known = prose.topic(request.text)
        return Reply(known) if known else None
    return None


def _introduce(request: Request) -> Reply | None:
    if request.find(r"\bwhat (?:can|could|do) you (?:do|know)\b|\bhelp\b|\bwhat are you able\b"):
        return Reply(prose.ABILITIES)
    if request.find(
        r"\b(?:who|what) are you\b|\byour name\b|\bwhat (?:model|llm)\b|\bwhich (?:model|llm)\b|\b(?:are you|is this) .*"
        r"\b(?:real|ai|gpt|chatgpt|human|bot|model|claude|intelligent|demo)\b|\byou a (?:real|language)\b"
    ):
        return Reply(prose.ABOUT_ME)
    return None


def _greet(request: Request) -> Reply | None:
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


_RULES: tuple[Callable[[Request], Reply | None], ...] = (
    _repeat,
    _count,
    _recall,
    _remember,
    _background,
    _change,
    _paint,
    _introduce,
    _markdown,
    _explain,
    _greet,
)


def _unknown(request: Request) -> str:
    if request.attached:
        return (
            "I see that you attached a picture, but the demo model cannot look at pictures. A real model can."
        )
    asked = first_line(request.text, 120)
    quoted = f"“{asked}”" if asked else "that"
    return (
        f"I cannot answer {quoted} properly: I am the demo model, a set of rules and not a language model. "
        "I can paint, change the background, remember what you tell me here, and show Markdown. "
        "Ask “what can you do?” for the list; with `OPENAI_API_KEY` set, a real model answers instead of me."
    )


def _paints(text: str) -> bool:
    return _subject(text) is not None


def _subject(clause: str) -> str | None:
    """What a clause asks to paint; "" when it asks for any picture, None when it asks for none."""
    picture = r"(?:picture|image|painting|photo|drawing|illustration|wallpaper|poster|sketch)"
    found = re.match(
        rf"(?:(?:make|create|generate|give|show|paint|draw|do)(?: me| us)? )?(?:(?:an?|another|some|one|the|two|three) )?(?:\w+ )?{picture}s?"
        r"(?:(?: of| showing| with|:)\s+(.+)|[.!?]*)$",
        clause,
        re.IGNORECASE | re.DOTALL,
    ) or re.match(
        r"(?:paint|draw|sketch|illustrate|render|imagine)(?: me| us)?(?: something(?: like)?)?\b\s*(.*)$",
        clause,
        re.IGNORECASE | re.DOTALL,
    )
    if not found or re.match(
        r"(?:the|my|our) (?:background|backdrop|wallpaper|page)\b", found[1] or "", re.IGNORECASE
    ):
        return None
    return re.sub(r"\s+", " ", found[1] or "").strip(" .!?,:")


def _paint_it(request: Request, prompts: list[str]) -> Reply:
    calls = []
    for prompt in prompts:
        args: dict[str, Any] = {}
        for size, pattern in _SIZES.items():
            shorter = re.sub(pattern, "", prompt, flags=re.IGNORECASE)
            if shorter != prompt:
                prompt, args["size"] = shorter, size
        without = re.sub(_NOT_BEHIND, "", prompt, flags=re.IGNORECASE)
        if without != prompt:
            prompt, args["as_background"] = without, False
        prompt = re.sub(_AS_BACKGROUND, "", prompt, flags=re.IGNORECASE).strip(" ,.")
        calls.append(Call("generate_image", {"prompt": prompt or "a quiet lake at dawn", **args}))
    if "generate_image" not in request.tools:
        return Reply("I have no tool for painting here.")
    named = " and ".join(f"**{call.args['prompt']}**" for call in calls)
    return Reply(f"I will paint {named} for you. One moment.", tuple(calls))


_SIZES = {
    "portrait": r",? ?\b(?:in|as an?)? ?(?:portrait (?:format|orientation|size)|a? ?(?:tall|vertical|upright) format|for my phone)\b",
    "landscape": r",? ?\b(?:in|as an?)? ?(?:landscape (?:format|orientation|size)|a? ?(?:wide|horizontal) format)\b",
    "square": r",? ?\b(?:in|as an?)? ?(?:an? )?square(?: format)?$",
}
_NOT_BEHIND = (
    r",? ?\b(?:but |and )?(?:not as (?:a|the) background|without changing the background|"
    r"(?:do not|don(?:'|’)t) (?:change|touch|use it as) (?:the|a) background|(?:keep|leave) the background(?: as it is)?)\b"
)
_AS_BACKGROUND = r",? ?\b(?:and )?(?:(?:use|set|make|put) it )?(?:as|behind) (?:a|the|my) (?:background|wallpaper|conversation)\b"


def _call(request: Request, text: str, tool: str, **args: Any) -> Reply:
    if tool not in request.tools:
        return Reply("I have no tool for that here.")
    return Reply(text, (Call(tool, args),))
