"""The same graph on every server that is known, each as strict as it is documented to be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from responses_adapters.langgraph import ResponsesNode
from responses_adapters.profiles import known_servers
from responses_adapters.testing import Backend
from responses_adapters.testing.transport import make_transport

THREAD: Any = {"configurable": {"thread_id": "1"}}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture(params=known_servers())
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def backend(server: str) -> Iterator[Backend]:
    backend = Backend(server)
    yield backend
    backend.verify()


def loop(server: str, backend: Backend, **options: Any) -> Any:
    node = ResponsesNode(
        "m/m",
        server=server,
        base_url="https://gw.test/v1",
        api_key="sk-gw",
        http_client=openai.DefaultHttpxClient(transport=make_transport(backend)),
        tools=[add],
        **options,
    )
    graph = StateGraph(MessagesState)
    graph.add_node("model", node)
    graph.add_node("tools", ToolNode([add]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize("streaming", [False, True])
def test_a_tool_loop_shows_the_model_every_message_once(
    server: str, backend: Backend, streaming: bool
) -> None:
    backend.call_tools(("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})).then.reply("3 and 7")
    backend.reply("sure").then.reply("bye")
    app = loop(server, backend, streaming=streaming)
    history = [SystemMessage("Be kind."), HumanMessage("1+2 and 3+4?")]
    app.invoke({"messages": history}, THREAD)
    app.invoke({"messages": [HumanMessage("sure?")]}, THREAD)
    state = app.invoke({"messages": [HumanMessage("thanks")]}, THREAD)
    context = backend.contexts[-1]
    system = [item for item in context if item.get("role") == "system"]
    items = [item for item in context if item not in system]
    assert [item["type"] for item in items] == [
        "message",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
        *["message"] * 4,
    ]
    assert context.instructions == "Be kind." or len(system) == 1
    assert state["messages"][-1].text == "bye"


def test_a_prompt_that_changes_is_the_one_that_counts(server: str, backend: Backend) -> None:
    backend.reply("one").then.reply("two")
    prompts = iter(["Be kind.", "Be brief."])
    app = loop(server, backend, instructions=lambda state, runtime: next(prompts))
    app.invoke({"messages": [HumanMessage("a")]}, THREAD)
    app.invoke({"messages": [HumanMessage("b")]}, THREAD)
    context = backend.contexts[-1]
    said = [context.instructions, *context.texts]
    assert "Be brief." in said
    assert "Be kind." not in said
