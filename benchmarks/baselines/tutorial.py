"""A chat as the tutorials write it: FastAPI, a LangGraph agent, a WebSocket that forwards each token as JSON.

With DATABASE_URL the agent remembers in Postgres (AsyncPostgresSaver), without it in memory. Served by
`uvicorn benchmarks.baselines.tutorial:app`.
"""

import os
from contextlib import asynccontextmanager

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

SYSTEM_PROMPT = "You are a helpful assistant."


def build(checkpointer):
    model = ChatOpenAI(model="bench", streaming=True, stream_usage=True)
    return create_agent(model, [], system_prompt=SYSTEM_PROMPT, checkpointer=checkpointer)


@asynccontextmanager
async def lifespan(app):
    if url := os.environ.get("DATABASE_URL"):
        async with AsyncPostgresSaver.from_conn_string(url) as saver:
            await saver.setup()
            app.state.agent = build(saver)
            yield
    else:
        app.state.agent = build(InMemorySaver())
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/healthz")
async def healthz():
    return {}


@app.websocket("/ws/{thread_id}")
async def chat(websocket: WebSocket, thread_id: str):
    await websocket.accept()
    agent = websocket.app.state.agent
    config = {"configurable": {"thread_id": thread_id}}
    try:
        while True:
            text = await websocket.receive_text()
            given = {"messages": [{"role": "user", "content": text}]}
            async for chunk, _ in agent.astream(given, config, stream_mode="messages"):
                if chunk.content:
                    await websocket.send_json({"type": "token", "text": chunk.content})
            await websocket.send_json({"type": "done"})
    except WebSocketDisconnect:
        pass
