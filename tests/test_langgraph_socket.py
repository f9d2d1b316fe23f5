"""The same graph over a real socket."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from responses_adapters.langgraph import ResponsesNode

pytestmark = pytest.mark.responses_backend(patch=False)
THREAD: Any = {"configurable": {"thread_id": "1"}}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def loop(node: ResponsesNode) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("model", node)
    graph.add_node("tools", ToolNode([add]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize("server", ["openai", None])
@pytest.mark.parametrize("asynchronous", [True, False])
async def test_ten_turns_with_a_tool_call_each_list_every_message_once(
    server: str | None, asynchronous: bool, responses_backend: Any, responses_server: Any
) -> None:
    graph = loop(
        ResponsesNode(
            "m", server=server, base_url=responses_server.base_url, api_key="sk-x", tools=[add]
        )
    )
    largest = []
    for turn in range(10):
        responses_backend.call_tool("add", a=turn, b=1).then.reply(f"it is {turn + 1}")
        update = {"messages": [HumanMessage(f"{turn}+1?")]}
        if asynchronous:
            await graph.ainvoke(update, THREAD)
        else:
            graph.invoke(update, THREAD)
        largest.append(max(len(each.body) for each in responses_backend.creates[-2:]))
    kinds = [item["type"] for item in responses_backend.contexts[-1]]
    pair = ["message", "function_call", "function_call_output"]
    assert kinds == [*pair, "message"] * 9 + pair
    if server == "openai":
        assert largest[-1] <= 1.2 * largest[1]
