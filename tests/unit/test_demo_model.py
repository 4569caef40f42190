"""The demo model: what it says, what it calls, what it remembers."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from langchain.agents import create_agent
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import tool

from chat.agent import attachments, prompts
from chat.agent.demo import DemoModel
from chat.agent.demo.replies import reply
from chat.agent.demo.request import Call, Reply
from chat.agent.demo.words import colour, gradient
from chat.agent.tools import css

TOOLS = frozenset({"generate_image", "set_background"})


class Conversation:
    """A conversation with the demo model, whose tools always succeed."""

    def __init__(self) -> None:
        self.messages: list[BaseMessage] = [SystemMessage("You are Backdrop.")]

    def say(self, text: str, *, status: str = "success", result: str = "Painted.") -> tuple[str, list[Call]]:
        """What the model answers, before and after its tools, and what it called."""
        self.messages.append(HumanMessage(text))
        answer = reply(self.messages, TOOLS)
        said, calls = answer.text, list(answer.tool_calls)
        while answer.tool_calls:
            made = [
                {"name": call.name, "args": call.args, "id": f"c{len(self.messages)}-{at}"}
                for at, call in enumerate(answer.tool_calls)
            ]
            self.messages.append(AIMessage(answer.text, tool_calls=made))
            for call in made:
                self.messages.append(ToolMessage(result, tool_call_id=call["id"], status=status))
            answer = reply(self.messages, TOOLS)
            said += "\n\n" + answer.text
        self.messages.append(AIMessage(answer.text))
        return said, calls


def ask(text: str) -> tuple[str, list[dict[str, Any]]]:
    said, calls = Conversation().say(text)
    return said, [{"tool": call.name, **call.args} for call in calls]


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("paint a red fox at sunset", {"prompt": "a red fox at sunset"}),
        ("Please paint me a picture of a whale!", {"prompt": "a whale"}),
        ("could you draw a lighthouse at night, please?", {"prompt": "a lighthouse at night"}),
        ("make an image of a castle", {"prompt": "a castle"}),
        ("a picture of a boat", {"prompt": "a boat"}),
        ("paint something", {"prompt": "a quiet lake at dawn"}),
        ("paint a tree in portrait format", {"prompt": "a tree", "size": "portrait"}),
        ("paint a tree, but not as the background", {"prompt": "a tree", "as_background": False}),
        ("paint a tree as my background", {"prompt": "a tree"}),
        ("change the background to a forest at night", {"prompt": "a forest at night"}),
    ],
)
def test_it_paints(text: str, args: dict[str, Any]) -> None:
    said, calls = ask(text)
    assert calls == [{"tool": "generate_image", **args}]
    assert f"**{args['prompt']}**" in said


def test_it_paints_a_picture_for_each_sentence() -> None:
    _, calls = ask("Paint a red fox. Paint a blue whale.")
    assert [call["prompt"] for call in calls] == ["a red fox", "a blue whale"]


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("make the background navy", {"kind": "color", "value": "#14264f"}),
        ("make the background deep blue", {"kind": "color", "value": colour("deep blue")}),
        ("set the background to #102A43", {"kind": "color", "value": "#102a43"}),
        ("dark green background please", {"kind": "color", "value": colour("dark green")}),
        (
            "a gradient from teal to navy",
            {"kind": "gradient", "value": "linear-gradient(160deg, #11807c, #14264f)"},
        ),
        (
            "make the background a gradient of red, gold and navy",
            {"kind": "gradient", "value": gradient("red, gold and navy")},
        ),
        ("no background", {"kind": "none"}),
        ("remove the background, please", {"kind": "none"}),
        ("use the last picture", {"kind": "image"}),
        ("make it the background", {"kind": "image"}),
    ],
)
def test_it_changes_the_background(text: str, args: dict[str, Any]) -> None:
    _, calls = ask(text)
    assert calls == [{"tool": "set_background", **args}]


def test_its_colours_are_css_that_the_tool_takes() -> None:
    for name in ("deep blue", "pale rose", "dusty green", "warm sand", "black", "#abc", "oklch(0.5 0.1 200)"):
        value = colour(name)
        assert value is not None
        css.color(value)
    value = gradient("from deep purple to orange and gold")
    assert value is not None
    css.gradient(value)


@pytest.mark.parametrize(
    "text",
    [
        "a gradient of blurple and red",
        "make the background blurple",
        "change the background",
        "make it night",
    ],
)
def test_it_says_what_it_lacks_and_calls_nothing(text: str) -> None:
    said, calls = ask(text)
    assert calls == []
    assert said


def test_it_changes_its_last_picture() -> None:
    conversation = Conversation()
    prompts_asked = [
        conversation.say(text)[1][0].args["prompt"]
        for text in (
            "paint a red fox at sunset",
            "make it night",
            "make it blue",
            "add a boat",
            "another like it",
            "now in the rain",
            "make it a whale",
        )
    ]
    assert prompts_asked == [
        "a red fox at sunset",
        "a red fox at night",
        "a blue fox at night",
        "a blue fox at night, with a boat",
        "a blue fox at night, with a boat",
        "a blue fox at night, with a boat in the rain",
        "a whale at night",
    ]
    assert "1. a red fox at sunset\n2. a red fox at night" in conversation.say("what did you paint?")[0]


def test_a_tool_that_failed_is_no_picture() -> None:
    conversation = Conversation()
    said, _ = conversation.say("paint a fox", status="error", result="The provider refused this prompt.")
    assert "did not work: The provider refused this prompt." in said
    assert "not painted anything" in conversation.say("what did you paint?")[0]


def test_it_remembers_what_it_was_told() -> None:
    conversation = Conversation()
    assert "not told me your name" in conversation.say("what is my name?")[0]
    conversation.say("Hi, my name is Ada and I like foxes")
    conversation.say("my favourite colour is green")
    conversation.say("My name is Grace.")
    assert "**Grace**" in conversation.say("What's my name?")[0]
    assert "**green**" in conversation.say("what is my favorite color?")[0]
    assert "“what is my name?”" in conversation.say("what did I ask first?")[0]


@pytest.mark.parametrize(
    "text", ["who are you?", "are you ChatGPT?", "Is this a real AI?", "what model are you?"]
)
def test_it_says_what_it_is(text: str) -> None:
    assert "demo model" in ask(text)[0]
    assert "not a language model" in ask(text)[0]


@pytest.mark.parametrize("text", ["what is the capital of France?", "tell me a joke", "", "🦊", "I am tired"])
def test_it_says_that_it_cannot(text: str) -> None:
    assert "I cannot answer" in ask(text)[0]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("show me a table", "|:--|"),
        ("write some Python", "```python"),
        ("an example in JavaScript", "```js"),
        ("show me SQL", "```sql"),
        ("give me a list", "\n1. "),
        ("show some headings", "\n## "),
        ("a quote", "> "),
        ("tell me about LangGraph", "checkpoint"),
        ("what is Postgres?", "LISTEN"),
        ("What can you do?", "Paint a picture"),
        ("hello", "Hello!"),
        ("thanks", "welcome"),
        ("say: **<b>x</b>**", "**<b>x</b>**"),
    ],
)
def test_it_has_an_answer(text: str, part: str) -> None:
    said, calls = ask(text)
    assert part in said
    assert calls == []


def ask_of_a_picture(text: str) -> Reply:
    kept = HumanMessage(attachments.content(text, ["an-id"]))
    return reply([attachments.described(kept, {})], TOOLS)


@pytest.mark.parametrize(
    "text", ["what is on it?", "", "Describe this picture.", "is that a fox?", "who painted this?"]
)
def test_it_says_that_it_cannot_see(text: str) -> None:
    answer = ask_of_a_picture(text)
    assert "cannot look at pictures" in answer.text
    assert answer.tool_calls == ()


def test_a_picture_beside_them_leaves_words_what_they_are() -> None:
    assert ask_of_a_picture("say: hello there").text == "hello there"
    (call,) = ask_of_a_picture("use the last picture as my background").tool_calls
    assert call == Call("set_background", {"kind": "image"})
    kept = HumanMessage(attachments.content("my name is Ada", ["an-id"]))
    told = [attachments.described(kept, {}), AIMessage("Noted."), HumanMessage("what is my name?")]
    assert "**Ada**" in reply(told, TOOLS).text


def test_it_counts_exactly() -> None:
    assert ask("count to 200")[0] == " ".join(str(number) for number in range(1, 201))
    assert ask("please count from 5 to 1")[0] == "5 4 3 2 1"
    assert "2,000 at most" in ask("count to 999999999")[0]


def test_a_long_answer_is_long() -> None:
    assert 500 < len(ask("write a long answer")[0].split()) < 1500


def test_it_gives_a_title() -> None:
    asked = "The person wrote:\nplease paint a red fox at sunset\n\nThe assistant answered:\nI will."
    answer = DemoModel().invoke([SystemMessage(prompts.read("title")), HumanMessage(asked)])
    assert answer.text == "A red fox at sunset"


@tool
def generate_image(prompt: str) -> str:
    """Paint."""
    return f"Painted {prompt}."


async def test_its_stream_is_its_answer_with_usage() -> None:
    chat = DemoModel(tokens_per_second=0).bind_tools([generate_image])
    question = [HumanMessage("paint a red fox at sunset")]
    chunks = [chunk async for chunk in chat.astream(question)]
    streamed = cast(AIMessageChunk, AIMessageChunk(content="") + chunks)
    whole = await chat.ainvoke(question)
    assert streamed.text == whole.text
    assert streamed.usage_metadata == whole.usage_metadata
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] > 5
    assert (
        streamed.response_metadata["finish_reason"]
        == whole.response_metadata["finish_reason"]
        == "tool_calls"
    )
    assert [call["args"] for call in streamed.tool_calls] == [{"prompt": "a red fox at sunset"}]
    # Calls of different runs must not share an id.
    assert streamed.tool_calls[0]["id"] != whole.tool_calls[0]["id"]


async def test_it_keeps_its_pace() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    text = "".join(
        [str(chunk.text) async for chunk in DemoModel(tokens_per_second=100).astream("count to 50")]
    )
    assert text.split() == [str(number) for number in range(1, 51)]
    assert 0.45 < loop.time() - began < 2


async def test_without_tools_it_says_so() -> None:
    answer = await DemoModel().ainvoke("paint a fox")
    assert "no tool" in answer.text
    assert answer.tool_calls == []


async def test_it_runs_an_agent_to_the_end() -> None:
    agent: Any = create_agent(DemoModel(tokens_per_second=0), [generate_image])
    state = await agent.ainvoke({"messages": [HumanMessage("paint a red fox")]})
    kinds = [message.type for message in state["messages"]]
    assert kinds == ["human", "ai", "tool", "ai"]
    assert "There it is" in state["messages"][-1].text
