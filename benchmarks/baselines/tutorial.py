"""A chat as the tutorials write it: FastAPI, a LangGraph agent, a WebSocket that forwards each token as JSON.

The agent remembers in the Postgres at DATABASE_URL. Served by `uvicorn benchmarks.baselines.tutorial:app`.
"""

import os
from contextlib import asynccontextmanager

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

SYSTEM_PROMPT = "You are a helpful assistant."


def build(checkpointer):
    model = ChatOpenAI(model="bench", streaming=True, stream_usage=True)
    return create_agent(model, [], system_prompt=SYSTEM_PROMPT, checkpointer=checkpointer)


@asynccontextmanager
async def lifespan(app):
    async with AsyncPostgresSaver.from_conn_string(os.environ["DATABASE_URL"]) as saver:
        await saver.setup()
        app.state.agent = build(saver)
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
