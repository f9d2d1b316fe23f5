from __future__ import annotations

from typing import Any

import openai
import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.runtime import RunControl

from responses_adapters.errors import ConfigurationError, ResponseFailedError
from responses_adapters.langgraph import Background, ResponsesNode, add_responses
from responses_adapters.testing import Backend

THREAD: Any = {"configurable": {"thread_id": "1"}}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def graph() -> Any:
    node = ResponsesNode(
        "m",
        base_url="https://gw.test/v1",
        api_key="sk-gw",
        server="openai",
        tools=[add],
        background=Background(poll_interval=0.001),
    )
    builder = StateGraph(MessagesState)
    answered = add_responses(builder, "model", node)
    builder.add_node("tools", ToolNode([add]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges(answered, tools_condition)
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=InMemorySaver())


def says(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def cancelled(backend: Backend) -> list[str]:
    return [each.path for each in backend.requests if each.path.endswith("/cancel")]


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_the_two_nodes_run_a_tool_loop_in_deltas(
    asynchronous: bool, responses_backend: Backend
) -> None:
    responses_backend.background(polls=2)
    responses_backend.call_tool("add", a=1, b=2).then.reply("3").then.reply("sure")
    app = graph()
    for text in ("1+2?", "sure?"):
        if asynchronous:
            state = await app.ainvoke(says(text), THREAD)
        else:
            state = app.invoke(says(text), THREAD)
    assert state["messages"][-1].text == "sure"
    assert list(state) == ["messages"]
    assert [len(each.input) for each in responses_backend.creates] == [1, 1, 1]
    assert cancelled(responses_backend) == []


def test_a_server_that_answers_at_once_is_not_waited_for(responses_backend: Backend) -> None:
    responses_backend.configure(background_waits=())
    responses_backend.reply("at once")
    assert graph().invoke(says("hi"), THREAD)["messages"][-1].text == "at once"


def test_a_resumed_run_waits_for_the_pending_response(responses_backend: Backend) -> None:
    responses_backend.background(polls=1).reply("done")
    responses_backend.fail(418, endpoint="retrieve")
    app = graph()
    with pytest.raises(openai.APIStatusError):
        app.invoke(says("hi"), THREAD)
    assert app.get_state(THREAD).values["responses_pending"]["id"].startswith("resp_")
    assert app.invoke(None, THREAD)["messages"][-1].text == "done"
    assert app.get_state(THREAD).values["responses_pending"] is None
    assert len(responses_backend.creates) == 1


def test_new_input_cancels_what_is_pending(responses_backend: Backend) -> None:
    responses_backend.background(polls=1).reply("never seen").then.reply("done")
    responses_backend.fail(418, endpoint="retrieve")
    app = graph()
    with pytest.raises(openai.APIStatusError):
        app.invoke(says("hi"), THREAD)
    first = responses_backend.creates[0].response_id
    state = app.invoke(says("no, rather this"), THREAD)
    assert state["messages"][-1].text == "done"
    assert cancelled(responses_backend) == [f"/v1/responses/{first}/cancel"]
    assert responses_backend.contexts[-1].texts == ["hi", "no, rather this"]


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_pending_response_that_failed_is_replaced(
    asynchronous: bool, responses_backend: Backend
) -> None:
    responses_backend.background(polls=1).fail_turn("server_error", "down").then.reply("done")
    app = graph()
    state = (
        await app.ainvoke(says("hi"), THREAD) if asynchronous else app.invoke(says("hi"), THREAD)
    )
    assert state["messages"][-1].text == "done"
    assert len(responses_backend.creates) == 2


def test_a_permanent_failure_is_not_submitted_again(responses_backend: Backend) -> None:
    responses_backend.background(polls=1).fail_turn("invalid_prompt", "forbidden")
    with pytest.raises(ResponseFailedError, match="forbidden"):
        graph().invoke(says("hi"), THREAD)
    assert len(responses_backend.creates) == 1


def test_the_same_input_again_adopts_what_is_pending(responses_backend: Backend) -> None:
    responses_backend.background(polls=1).reply("done")
    responses_backend.fail(418, endpoint="retrieve")
    app = graph()
    with pytest.raises(openai.APIStatusError):
        app.invoke(says("hi"), THREAD)
    state = app.invoke({"messages": []}, THREAD)
    assert state["messages"][-1].text == "done"
    assert len(responses_backend.creates) == 1
    assert cancelled(responses_backend) == []


def test_the_name_of_the_waiting_node_is_taken() -> None:
    with pytest.raises(ConfigurationError, match="the waiting node"):
        add_responses(StateGraph(MessagesState), "model.poll", ResponsesNode("m", api_key="sk-x"))


def test_a_drained_run_leaves_the_pending_response_to_the_next(responses_backend: Backend) -> None:
    responses_backend.background(polls=3).reply("done")
    app, control = graph(), RunControl()
    events = app.stream(says("hi"), THREAD, control=control, stream_mode="custom")
    assert next(events)["type"] == "responses_adapters.waiting"
    control.request_drain("deploy")
    with pytest.raises(GraphDrained, match="deploy"):
        list(events)
    assert cancelled(responses_backend) == []
    assert app.invoke(None, THREAD)["messages"][-1].text == "done"
    assert len(responses_backend.creates) == 1
