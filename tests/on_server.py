"""A thread of one graph on the fake of one server."""

from __future__ import annotations

from typing import Any

import openai
from langchain_core.messages import BaseMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from responses_adapters.langgraph import Background, ResponsesNode
from responses_adapters.testing import Backend
from responses_adapters.testing.transport import make_transport

THREAD: Any = {"configurable": {"thread_id": "1"}}
MODELS = {"otari": "openai:gpt-5", "orq": "openai/gpt-5", "blackbox": "openai/gpt-5.3-codex"}
FAST = Background(poll_interval=0.001)


def check_room(room: str) -> str:
    """Whether a room is free."""
    return f"{room} is free"


def thread(backend: Backend, *, server: Any = None, **options: Any) -> Any:
    name = backend.behaviour.name
    node = ResponsesNode(
        MODELS.get(name, "m"),
        server=server or name,
        base_url="https://fake.test/v1",
        api_key="k",
        tools=[check_room],
        http_client=openai.DefaultHttpxClient(transport=make_transport(backend)),
        **options,
    )
    graph = StateGraph(MessagesState)
    graph.add_node("model", node)
    graph.add_node("tools", ToolNode([check_room]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=InMemorySaver())


def say(app: Any, text: str) -> list[BaseMessage]:
    messages: list[BaseMessage] = app.invoke({"messages": [HumanMessage(text)]}, THREAD)["messages"]
    return messages


def stream(app: Any, text: str) -> list[str]:
    chunks = app.stream({"messages": [HumanMessage(text)]}, THREAD, stream_mode="messages")
    return [
        chunk.text for chunk, meta in chunks if chunk.text and meta["langgraph_node"] == "model"
    ]


def script_turn(backend: Backend, room: str) -> None:
    backend.call_tool("check_room", room=room).then.reply(f"{room} is free.")


def kinds(items: Any) -> list[str]:
    return [item.get("type", "message") for item in items if item.get("type") != "reasoning"]
