"""Test your own graph without a server, a key or a mock.

Why: `responses_backend` is a Responses server in memory that every client in the test meets, however it was made.
It keeps conversations, refuses what a real server refuses, and shows what the model saw on each turn.

Run: python -m pytest cookbook/testing_your_graph.py
     (needs responses-adapters[testing], pytest)

Prints:
    3 passed
"""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from responses_adapters.langgraph import ResponsesNode
from responses_adapters.testing import Backend

THREAD: Any = {"configurable": {"thread_id": "1"}}


def check_room(room: str) -> str:
    """Check whether a room is free."""
    return f"{room} is free."


def make_graph() -> Any:
    """The graph of your application; here it stands for `from myapp import make_graph`."""
    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode("gpt-5.2", server="openai", tools=[check_room]))
    builder.add_node("tools", ToolNode([check_room]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=InMemorySaver())


def test_the_model_sees_what_the_tool_returned(responses_backend: Backend) -> None:
    responses_backend.call_tool("check_room", room="Birch")
    responses_backend.reply("It is free.")

    state = make_graph().invoke({"messages": [HumanMessage("Is Birch free?")]}, THREAD)

    assert state["messages"][-1].text == "It is free."
    responses_backend.assert_tool_result("check_room", contains="Birch is free")


def test_a_second_turn_sends_only_what_is_new(responses_backend: Backend) -> None:
    responses_backend.reply("Noted.").then.reply("Eight.")
    graph = make_graph()
    graph.invoke({"messages": [HumanMessage("We are 8 people.")]}, THREAD)
    graph.invoke({"messages": [HumanMessage("How many?")]}, THREAD)

    assert [item["content"] for item in responses_backend.creates[-1].input] == ["How many?"]
    assert responses_backend.contexts[-1].texts == ["We are 8 people.", "Noted.", "How many?"]


def test_a_server_that_forgot_is_told_again(responses_backend: Backend) -> None:
    responses_backend.reply("Noted.").then.reply("Eight.")
    graph = make_graph()
    graph.invoke({"messages": [HumanMessage("We are 8 people.")]}, THREAD)
    responses_backend.forget()
    graph.invoke({"messages": [HumanMessage("How many?")]}, THREAD)

    assert responses_backend.contexts[-1].texts == ["We are 8 people.", "Noted.", "How many?"]


# Where next: testing_with_the_fake.md has faults, rules, other servers and plain clients.
