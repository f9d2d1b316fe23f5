from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import Annotated, Any

import openai
import pytest
from langchain_core.messages import AnyMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.runtime import RunControl
from langgraph.types import Command
from pydantic import BaseModel
from typing_extensions import TypedDict

from responses_adapters.errors import ConfigurationError, ResponseFailedError
from responses_adapters.langgraph import Background, ResponsesNode, add_responses
from responses_adapters.profiles import find_server
from responses_adapters.testing import Backend

THREAD: Any = {"configurable": {"thread_id": "1"}}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


GATEWAY: Any = {
    "base_url": "https://gw.test/v1",
    "api_key": "sk-gw",
    "server": "openai",
    "background": Background(poll_interval=0.001),
}


def graph(saver: Any = None, schema: Any = MessagesState, **options: Any) -> Any:
    node = ResponsesNode("m", **{**GATEWAY, "tools": [add], **options})
    builder = StateGraph(schema)
    answered = add_responses(builder, "model", node)
    builder.add_node("tools", ToolNode([add]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges(answered, tools_condition)
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=saver or InMemorySaver())


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


def test_a_server_that_answers_at_once_and_forgets_is_sent_everything(
    responses_backend: Backend,
) -> None:
    responses_backend.configure(background_waits=()).ignore_previous_id()
    responses_backend.reply("one").then.reply("what?").then.reply("two")
    app = graph()
    app.invoke(says("hi"), THREAD)
    answer = app.invoke(says("again"), THREAD)["messages"][-1]
    assert answer.text == "two"
    assert answer.response_metadata["responses"]["why"] == "the server forgot the conversation"
    assert responses_backend.contexts[-1].texts == ["hi", "one", "again"]


def test_a_resumed_run_waits_for_the_pending_response(responses_backend: Backend) -> None:
    responses_backend.background(polls=1).reply("done")
    responses_backend.fail(418, endpoint="retrieve")
    app = graph()
    with pytest.raises(openai.APIStatusError):
        app.invoke(says("hi"), THREAD)
    assert app.get_state(THREAD).values["responses_pending_model"]["id"].startswith("resp_")
    assert app.invoke(None, THREAD)["messages"][-1].text == "done"
    assert app.get_state(THREAD).values["responses_pending_model"] is None
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


def test_the_waiting_node_waits_for_what_was_sent_in_the_end(responses_backend: Backend) -> None:
    responses_backend.background(polls=2).reply("one").then.reply("two").then.reply("three")
    app = graph()
    app.invoke(says("hi"), THREAD)
    responses_backend.forget()
    assert app.invoke(says("again"), THREAD)["messages"][-1].text == "two"
    assert cancelled(responses_backend) == []
    assert [request.status for request in responses_backend.creates] == [200, 400, 200]
    app.invoke(says("more"), THREAD)
    assert responses_backend.contexts[-1].texts == ["hi", "one", "again", "two", "more"]


def test_instructions_may_change_while_a_response_is_pending(responses_backend: Backend) -> None:
    responses_backend.background(polls=2).reply("done")
    clock = itertools.count()
    app = graph(instructions=lambda state, runtime: f"It is {next(clock)} o'clock.")
    assert app.invoke(says("hi"), THREAD)["messages"][-1].text == "done"
    assert len(responses_backend.creates) == 1
    assert cancelled(responses_backend) == []


def test_a_process_that_knows_less_of_the_server_adopts_what_is_pending(
    responses_backend: Backend,
) -> None:
    saver = InMemorySaver()
    responses_backend.background(polls=2)
    for _ in range(3):
        responses_backend.reply("one two three " * 30)
    first = graph(saver, server=None)
    first.invoke(says("hi there " * 100), THREAD)
    first.invoke(says("again"), THREAD)
    responses_backend.fail(418, endpoint="retrieve")
    with pytest.raises(openai.APIStatusError):
        first.invoke(says("long" * 5000), THREAD)
    assert responses_backend.creates[-1].json["previous_response_id"]
    submitted = len(responses_backend.creates)
    state = graph(saver, server=None).invoke(None, THREAD)
    assert state["messages"][-1].text == "one two three " * 30
    assert len(responses_backend.creates) == submitted
    assert cancelled(responses_backend) == []


def test_what_was_replayed_proves_nothing_to_the_process_that_adopts_it(
    responses_backend: Backend,
) -> None:
    saver = InMemorySaver()
    responses_backend.ignore_previous_id().background(polls=2)
    responses_backend.on(text="").reply("one two three " * 30).always()
    first = graph(saver, server=None)
    first.invoke(says("hi there " * 100), THREAD)
    first.invoke(says("again"), THREAD)  # found to forget
    responses_backend.fail(418, endpoint="retrieve")
    with pytest.raises(openai.APIStatusError):
        first.invoke(says("and"), THREAD)
    second = graph(saver, server=None)
    second.invoke(None, THREAD)
    second.invoke(says("the last"), THREAD)
    assert responses_backend.contexts[-1].texts[0] == "hi there " * 100


@pytest.mark.parametrize("pair", [False, True])
async def test_a_run_that_was_cancelled_with_its_response_can_be_resumed(
    pair: bool, responses_backend: Backend
) -> None:
    responses_backend.background(polls=10**6).reply("unheard").then.reply("done")
    app = graph()
    if not pair:
        builder = StateGraph(MessagesState)
        builder.add_node("model", ResponsesNode("m", **GATEWAY))
        builder.add_edge(START, "model")
        app = builder.compile(checkpointer=InMemorySaver())
    running = asyncio.create_task(app.ainvoke(says("hi"), THREAD, durability="sync"))
    while len(responses_backend.requests) < 3:  # noqa: ASYNC110 - the fake has no event to wait for
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(cancelled(responses_backend)) == 1
    responses_backend.background(polls=1)
    state = await app.ainvoke(None, THREAD, durability="sync")
    assert state["messages"][-1].text == "done"
    assert len(cancelled(responses_backend)) == 1


FILES = {"type": "mcp", "server_label": "files", "server_url": "https://files.test/mcp"}


def test_a_person_is_asked_for_approval_once(responses_backend: Backend) -> None:
    responses_backend.background(polls=1).ask_approval("files", "delete", {"path": "/"})
    responses_backend.reply("deleted")
    app = graph(tools=[FILES])
    assert app.invoke(says("clean"), THREAD) is not None
    app.invoke(Command(goto="model"), THREAD)
    state = app.invoke(Command(resume=True), THREAD)
    assert "__interrupt__" not in state
    assert state["messages"][-1].text == "deleted"
    said = [each for request in responses_backend.creates for each in request.input]
    assert [each["type"] for each in said] == ["message", "mcp_approval_response"]


def test_two_pairs_may_run_side_by_side(responses_backend: Backend) -> None:
    responses_backend.background(polls=1).reply("one").then.reply("two")
    builder = StateGraph(MessagesState)
    for name in "ab":
        add_responses(builder, name, ResponsesNode("m", **GATEWAY))
        builder.add_edge(START, name)
    state = builder.compile(checkpointer=InMemorySaver()).invoke(says("hi"), THREAD)
    assert {message.text for message in state["messages"][1:]} == {"one", "two"}


class Booking(BaseModel):
    messages: Annotated[list[AnyMessage], add_messages] = []
    room: str = "Birch"


def test_functions_of_the_state_get_the_schema_of_the_graph(responses_backend: Backend) -> None:
    responses_backend.background(polls=1).reply("done")
    graph(schema=Booking, instructions=lambda state, runtime: f"Room {state.room}.").invoke(
        says("hi"), THREAD
    )
    assert responses_backend.creates[0].json["instructions"] == "Room Birch."


def test_a_response_that_somebody_else_cancels_is_not_submitted_again(
    responses_backend: Backend,
) -> None:
    responses_backend.background(polls=40).reply("unheard")
    waits = graph().stream(says("hi"), THREAD, stream_mode="custom", durability="sync")
    next(waits)
    response_id = next(waits)["response_id"]
    with openai.OpenAI(base_url=GATEWAY["base_url"], api_key=GATEWAY["api_key"]) as client:
        client.responses.cancel(response_id)
    with pytest.raises(ResponseFailedError, match="ended as cancelled"):
        list(waits)
    assert len(responses_backend.creates) == 1


@pytest.mark.parametrize("inherits", [False, True])
def test_an_adopted_answer_is_not_taken_for_one_to_the_new_instructions(
    inherits: bool, responses_backend: Backend
) -> None:
    server = replace(find_server("openai"), inherits_instructions=inherits)
    saver = InMemorySaver()
    responses_backend.background(polls=2)
    for text in ("one two three " * 20, "two " * 20, "three " * 20):
        responses_backend.reply(text)
    responses_backend.fail(418, endpoint="retrieve")
    with pytest.raises(openai.APIStatusError):
        graph(saver, server=server, instructions="Old rules. " * 400).invoke(says("hi"), THREAD)
    app = graph(saver, server=server, instructions="New rules.")
    app.invoke(None, THREAD)
    app.invoke(says("again"), THREAD)
    app.invoke(says("and"), THREAD)
    _, second, third = responses_backend.creates
    assert second.json["instructions"] == "New rules."
    assert (third.json.get("instructions") is None) is inherits
    assert second.previous_response_id
    assert third.previous_response_id


def test_a_response_of_another_server_is_not_waited_for(responses_backend: Backend) -> None:
    saver = InMemorySaver()
    responses_backend.background(polls=2).reply("of one").then.reply("of the other")
    responses_backend.fail(418, endpoint="retrieve")
    with pytest.raises(openai.APIStatusError):
        graph(saver).invoke(says("hi"), THREAD)
    other = graph(saver, base_url="https://other.test/v1")
    assert other.invoke({"messages": []}, THREAD)["messages"][-1].text == "of the other"


class Plain(TypedDict):
    messages: list[Any]


def test_submitting_leaves_messages_without_a_reducer_alone(responses_backend: Backend) -> None:
    responses_backend.background(polls=1).reply("done")
    state = graph(schema=Plain).invoke(says("hi"), THREAD)
    assert [message.text for message in state["messages"]] == ["done"]
