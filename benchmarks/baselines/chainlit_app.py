"""A chat as Chainlit's documentation writes it with LangGraph, remembering in memory: `chainlit run` serves it."""

import chainlit as cl
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver

model = ChatOpenAI(model="bench", streaming=True, stream_usage=True)
agent = create_agent(model, [], system_prompt="You are a helpful assistant.", checkpointer=InMemorySaver())


@cl.on_message
async def on_message(message: cl.Message):
    answer = cl.Message(content="")
    config = {"configurable": {"thread_id": cl.context.session.id}}
    given = {"messages": [{"role": "user", "content": message.content}]}
    async for chunk, _ in agent.astream(given, config, stream_mode="messages"):
        if chunk.content:
            await answer.stream_token(chunk.content)
    await answer.send()
