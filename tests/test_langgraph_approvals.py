from __future__ import annotations

from typing import Any

import openai
import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command

from responses_adapters.langgraph import ResponsesNode, responses_condition
from responses_adapters.testing import Backend
from responses_adapters.testing.transport import make_transport

THREAD: Any = {"configurable": {"thread_id": "1"}}
FILES = {"type": "mcp", "server_label": "files", "server_url": "https://files.test/mcp"}


def graph(**options: Any) -> Any:
    node = ResponsesNode(
        "m",
        base_url="https://gw.test/v1",
        api_key="sk-gw",
        server="openai",
        tools=[FILES],
        **options,
    )
    builder = StateGraph(MessagesState)
    builder.add_node("model", node)
    builder.add_edge(START, "model")
    builder.add_conditional_edges(
        "model", responses_condition, {"model": "model", "__end__": "__end__"}
    )
    return builder.compile(checkpointer=InMemorySaver())


def start(backend: Backend, **options: Any) -> tuple[Any, dict[str, Any]]:
    backend.ask_approval("files", "delete", {"path": "/"}).then.reply("ok")
    app = graph(**options)
    return app, app.invoke({"messages": [HumanMessage("clean up")]}, THREAD)


@pytest.mark.parametrize(
    ("decision", "sent"),
    [
        (True, {"approve": True}),
        (False, {"approve": False}),
        ({"approve": False, "reason": "too much"}, {"approve": False, "reason": "too much"}),
        ("by id", {"approve": True}),
    ],
)
def test_an_approval_request_interrupts_the_graph_and_the_decision_is_sent(
    decision: Any, sent: dict[str, Any], responses_backend: Backend
) -> None:
    app, state = start(responses_backend)
    asked = state["__interrupt__"][0].value
    assert asked["type"] == "approval"
    request = asked["requests"][0]
    assert (request["name"], request["server_label"]) == ("delete", "files")
    resume = {request["id"]: True} if decision == "by id" else decision
    state = app.invoke(Command(resume=resume), THREAD)
    assert state["messages"][-1].text == "ok"
    assert responses_backend.creates[-1].input == [
        {"type": "mcp_approval_response", "approval_request_id": request["id"], **sent}
    ]
    assert len(responses_backend.creates) == 2


def test_the_decision_stays_in_the_thread(responses_backend: Backend) -> None:
    app, _ = start(responses_backend, chaining="never")
    app.invoke(Command(resume=True), THREAD)
    responses_backend.reply("bye")
    app.invoke({"messages": [HumanMessage("thanks")]}, THREAD)
    kinds = [item["type"] for item in responses_backend.contexts[-1]]
    assert kinds[1:3] == ["mcp_approval_request", "mcp_approval_response"]


def test_an_unclear_decision_is_asked_for_again(responses_backend: Backend) -> None:
    app, _ = start(responses_backend)
    state = app.invoke(Command(resume="maybe"), THREAD)
    assert "'maybe' does not decide" in state["__interrupt__"][0].value["problem"]
    state = app.invoke(Command(resume=True), THREAD)
    assert state["messages"][-1].text == "ok"


def test_orq_asks_and_is_answered_by_the_items_that_its_schema_lists() -> None:
    backend = Backend("orq")
    backend.ask_approval("crm", "delete_contact", {"id": 7}).then.reply("deleted")
    node = ResponsesNode(
        "openai/gpt-5",
        server="orq",
        api_key="sk-orq",
        http_client=openai.DefaultHttpxClient(transport=make_transport(backend)),
    )
    builder = StateGraph(MessagesState)
    builder.add_node("model", node)
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", responses_condition, ["model", "__end__"])
    app = builder.compile(checkpointer=InMemorySaver())
    (asked,) = app.invoke({"messages": [HumanMessage("tidy up")]}, THREAD)["__interrupt__"]
    state = app.invoke(Command(resume=True), THREAD)
    assert state["messages"][-1].text == "deleted"
    (decision,) = backend.creates[-1].input
    assert decision["type"] == "mcp_approval_response"
    assert decision["approval_request_id"] == asked.value["requests"][0]["id"]
    backend.verify()


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def test_approval_is_asked_for_beside_a_function_call(responses_backend: Backend) -> None:
    responses_backend.ask_approval("files", "delete", {"path": "/"}).call_tool("add", a=1, b=2)
    responses_backend.reply("deleted, and 3")
    node = ResponsesNode(
        "m", base_url="https://gw.test/v1", api_key="sk-gw", server="openai", tools=[FILES, add]
    )
    builder = StateGraph(MessagesState)
    builder.add_node("model", node)
    builder.add_node("tools", ToolNode([add]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", responses_condition)
    builder.add_edge("tools", "model")
    app = builder.compile(checkpointer=InMemorySaver())
    assert app.invoke({"messages": [HumanMessage("clean up")]}, THREAD)["__interrupt__"]
    app.invoke(Command(resume=True), THREAD)
    kinds = [each["type"] for each in responses_backend.creates[-1].input]
    assert kinds == ["function_call_output", "mcp_approval_response"]


def test_approval_is_asked_for_in_standard_blocks_too(responses_backend: Backend) -> None:
    app, state = start(responses_backend, output_version="v1")
    assert state["__interrupt__"][0].value["requests"][0]["name"] == "delete"
    assert app.invoke(Command(resume=True), THREAD)["messages"][-1].text == "ok"
