"""What the demo model says: rules from a conversation to a reply.

`reply` is a pure function of the messages and the names of the tools. The rules are tried in the order
of `_RULES`; each looks at the last thing the person said and either answers or passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from chat.agent import attachments
from chat.agent.demo import pictures, prose, talk
from chat.agent.demo.memory import Memory, first_line, title
from chat.agent.demo.request import Call, Reply, Request, polite


def reply(messages: Sequence[BaseMessage], tools: frozenset[str]) -> Reply:
    """The demo model's next words and tool calls in a conversation."""
    if special := _for_the_application(messages):
        return Reply(special)
    results = _tool_results(messages)
    if results:
        return Reply("\n\n".join(_result(message, call) for message, call in results))
    memory = Memory.of(messages)
    text = memory.said[-1] if memory.said else ""
    attached = bool(messages) and attachments.has_pictures(messages[-1])
    request = Request(polite(text), memory, tools, attached)
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


_RULES: tuple[Callable[[Request], Reply | None], ...] = (
    talk.repeat,
    talk.count,
    talk.recall,
    talk.remember,
    pictures.background,
    talk.look,
    pictures.change,
    pictures.paint,
    talk.introduce,
    talk.markdown,
    talk.explain,
    talk.greet,
)


def _unknown(request: Request) -> str:
    if request.attached:
        return prose.BLIND
    asked = first_line(request.text, 120)
    quoted = f"“{asked}”" if asked else "that"
    return (
        f"I cannot answer {quoted} properly: I am the demo model, a set of rules and not a language model. "
        "I can paint, change the background, remember what you tell me here, and show Markdown. "
        "Ask “what can you do?” for the list; with `OPENAI_API_KEY` set, a real model answers instead of me."
    )
