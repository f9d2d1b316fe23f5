from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import openai
import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.errors import GraphDrained
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command, RetryPolicy

from responses_adapters.errors import (
    BackgroundTimeoutError,
    ConfigurationError,
    ResponseFailedError,
    ResponsesAdapterError,
)
from responses_adapters.langgraph import (
    Background,
    ChatResponses,
    ResponsesNode,
    background,
    responses_retry_on,
)
from responses_adapters.langgraph.submitted import InFlight
from responses_adapters.testing import Backend

GATEWAY: dict[str, Any] = {"base_url": "https://gw.test/v1", "api_key": "sk-gw", "server": "openai"}
FAST = Background(poll_interval=0.001)
THREAD: Any = {"configurable": {"thread_id": "1"}}
QUESTION = {"messages": [HumanMessage("hi")]}


def graph(wait: Background = FAST, *, saver: Any = None, **options: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode("m", background=wait, **GATEWAY), **options)
    builder.add_edge(START, "model")
    return builder.compile(checkpointer=saver)


def polls(backend: Backend) -> int:
    return sum(each.method == "GET" for each in backend.requests)


@pytest.mark.parametrize("saver", [None, InMemorySaver()], ids=["plain", "checkpointed"])
@pytest.mark.parametrize("asynchronous", [True, False])
async def test_the_node_returns_when_the_response_has_finished(
    saver: Any, asynchronous: bool, responses_backend: Backend
) -> None:
    responses_backend.background(polls=3).reply("done")
    app, config = graph(saver=saver), {"configurable": {"thread_id": str(asynchronous)}}
    state = await app.ainvoke(QUESTION, config) if asynchronous else app.invoke(QUESTION, config)
    assert state["messages"][-1].text == "done"
    assert responses_backend.creates[0].json["background"] is True
    assert len(responses_backend.creates) == 1
    assert polls(responses_backend) >= 3


def test_a_background_answer_is_continued_like_any_other(responses_backend: Backend) -> None:
    responses_backend.background(polls=1).reply("one").then.reply("two")
    app = graph(saver=InMemorySaver())
    app.invoke(QUESTION, THREAD)
    app.invoke({"messages": [HumanMessage("more")]}, THREAD)
    assert len(responses_backend.creates[-1].input) == 1


@pytest.mark.parametrize(("emit", "heard"), [(True, 2), (False, 0)])
def test_the_custom_stream_hears_of_each_wait(
    emit: bool, heard: int, responses_backend: Backend
) -> None:
    responses_backend.background(polls=2).reply("done")
    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode("m", background=FAST, emit_events=emit, **GATEWAY))
    builder.add_edge(START, "model")
    events = list(builder.compile().stream(QUESTION, stream_mode="custom"))
    response_id = responses_backend.creates[0].response_id
    assert [event["status"] for event in events] == ["queued", "in_progress"][:heard]
    assert all(event["response_id"] == response_id for event in events)


def test_a_server_that_ignores_background_is_not_polled(responses_backend: Backend) -> None:
    responses_backend.configure(background_waits=())
    responses_backend.reply("at once")
    assert graph().invoke(QUESTION)["messages"][-1].text == "at once"
    assert polls(responses_backend) == 0


def test_waiting_ends_at_the_time_out(responses_backend: Backend) -> None:
    responses_backend.background(polls=10_000).reply("never")
    with pytest.raises(BackgroundTimeoutError, match="resp_"):
        graph(Background(poll_interval=0.001, poll_timeout=0.005)).invoke(QUESTION)


def test_a_retried_node_does_not_submit_again(responses_backend: Backend) -> None:
    responses_backend.background(polls=2).reply("done")
    responses_backend.fail(418, endpoint="retrieve")
    policy = RetryPolicy(initial_interval=0.001, retry_on=openai.APIStatusError)
    app = graph(saver=InMemorySaver(), retry_policy=policy)
    assert app.invoke(QUESTION, THREAD)["messages"][-1].text == "done"
    assert len(responses_backend.creates) == 1


def test_a_checkpoint_repeats_nothing_that_the_running_response_echoes(
    responses_backend: Backend,
) -> None:
    responses_backend.configure(echoes_input=True).background(polls=1).reply("done")
    responses_backend.fail(418, endpoint="retrieve")
    saver = InMemorySaver()
    with pytest.raises(openai.APIStatusError):
        graph(saver=saver).invoke(QUESTION, THREAD)
    saved = [value for writes in saver.writes.values() for (_, _, value, _) in writes.values()]
    assert any(b"resp_" in data for _, data in saved)
    assert not any(b"max_output_tokens" in data for _, data in saved)


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_broken_reply_is_not_read_again_by_the_resumed_run(
    asynchronous: bool, responses_backend: Backend
) -> None:
    responses_backend.background(polls=1).reply("unheard").truncate(0).then.reply("done")
    app = graph(saver=InMemorySaver())
    with pytest.raises(ResponsesAdapterError):
        await app.ainvoke(QUESTION, THREAD) if asynchronous else app.invoke(QUESTION, THREAD)
    state = await app.ainvoke(None, THREAD) if asynchronous else app.invoke(None, THREAD)
    assert state["messages"][-1].text == "done"
    assert len(responses_backend.creates) == 2


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_resumed_run_does_not_submit_again(
    asynchronous: bool, responses_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses_backend.background(polls=2).reply("done")
    responses_backend.fail(418, endpoint="retrieve")
    app = graph(saver=InMemorySaver())
    with pytest.raises(openai.APIStatusError):
        await app.ainvoke(QUESTION, THREAD) if asynchronous else app.invoke(QUESTION, THREAD)
    monkeypatch.setattr(background, "in_flight", InFlight())  # another process
    state = await app.ainvoke(None, THREAD) if asynchronous else app.invoke(None, THREAD)
    assert state["messages"][-1].text == "done"
    assert len(responses_backend.creates) == 1


def test_a_parked_run_whose_parameter_was_refused_first_does_not_submit_again(
    responses_backend: Backend,
) -> None:
    refused = {"code": "unsupported_parameter", "param": "parallel_tool_calls"}
    responses_backend.fail(400, "Unsupported parameter: 'parallel_tool_calls'", **refused)
    responses_backend.background(polls=1).reply("done")
    parked = Background(wait="interrupt")
    builder = StateGraph(MessagesState)
    builder.add_node(
        "model", ResponsesNode("m", background=parked, parallel_tool_calls=True, **GATEWAY)
    )
    builder.add_edge(START, "model")
    app = builder.compile(checkpointer=InMemorySaver())
    assert app.invoke(QUESTION, THREAD)["__interrupt__"]
    assert app.invoke(Command(resume=True), THREAD)["messages"][-1].text == "done"
    assert [request.status for request in responses_backend.creates] == [400, 200]


def test_a_graph_that_cannot_be_parked_submits_nothing(responses_backend: Backend) -> None:
    with pytest.raises(ConfigurationError, match="needs a checkpointer"):
        graph(Background(wait="interrupt")).invoke(QUESTION)
    assert responses_backend.requests == []


@pytest.mark.parametrize("wrong", [{"wait": "interupt"}, {"on_cancel": "stop"}])
def test_a_misspelt_way_to_wait_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Background\((wait|on_cancel)="):
        Background(**wrong)


@pytest.mark.parametrize(
    ("background", "creates"),
    [
        (Background(poll_interval=0.001, on_cancel="leave"), 1),
        (Background(wait="interrupt"), 1),
        (Background(poll_interval=0.001), 2),
    ],
)
def test_a_response_that_somebody_else_cancelled_is_not_submitted_again(
    background: Background, creates: int, responses_backend: Backend
) -> None:
    responses_backend.background(polls=10**6).reply("unheard")
    responses_backend.fail(418, endpoint="retrieve")
    app = graph(background, saver=InMemorySaver())
    if background.wait == "poll":
        with pytest.raises(openai.APIStatusError):
            app.invoke(QUESTION, THREAD)
    else:
        app.invoke(QUESTION, THREAD)
        with pytest.raises(openai.APIStatusError):
            app.invoke(Command(resume=True), THREAD)
    with openai.OpenAI(base_url=GATEWAY["base_url"], api_key=GATEWAY["api_key"]) as client:
        client.responses.cancel(str(responses_backend.creates[0].response_id))
    responses_backend.background(polls=1)
    if creates == 1:
        with pytest.raises(ResponseFailedError, match="ended as cancelled"):
            app.invoke(None, THREAD)
    else:
        responses_backend.reply("done")
        assert app.invoke(None, THREAD)["messages"][-1].text == "done"
    assert len(responses_backend.creates) == creates


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_drained_run_leaves_the_response_running_for_the_next(
    asynchronous: bool, responses_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses_backend.background(polls=3).reply("done")
    app, control = graph(saver=InMemorySaver()), RunControl()

    def drain_at_the_first_wait(event: Any) -> None:
        control.request_drain("deploy")

    monkeypatch.setattr(background, "tell_graph", drain_at_the_first_wait)
    run = {"control": control}
    with pytest.raises(GraphDrained, match="deploy"):
        await app.ainvoke(QUESTION, THREAD, **run) if asynchronous else app.invoke(
            QUESTION, THREAD, **run
        )
    assert polls(responses_backend) == 1
    assert not any(each.path.endswith("/cancel") for each in responses_backend.requests)
    monkeypatch.setattr(background, "in_flight", InFlight())  # another process
    state = await app.ainvoke(None, THREAD) if asynchronous else app.invoke(None, THREAD)
    assert state["messages"][-1].text == "done"
    assert len(responses_backend.creates) == 1


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_failed_response_is_replaced_by_the_next_attempt(
    asynchronous: bool, responses_backend: Backend
) -> None:
    responses_backend.background(polls=1).fail_turn("server_error", "down").then.fail_turn(
        "server_error", "still down"
    )
    responses_backend.reply("done")
    app = graph(saver=InMemorySaver())
    for words, update in (("down", QUESTION), ("still down", None)):
        with pytest.raises(ResponseFailedError, match=words):
            await app.ainvoke(update, THREAD) if asynchronous else app.invoke(update, THREAD)
    state = await app.ainvoke(None, THREAD) if asynchronous else app.invoke(None, THREAD)
    assert state["messages"][-1].text == "done"
    assert len(responses_backend.creates) == 3


def test_a_retry_policy_replaces_a_failed_response(responses_backend: Backend) -> None:
    responses_backend.background(polls=1).fail_turn("server_error", "down").then.reply("done")
    policy = RetryPolicy(initial_interval=0.001, retry_on=responses_retry_on)
    app = graph(saver=InMemorySaver(), retry_policy=policy)
    assert app.invoke(QUESTION, THREAD)["messages"][-1].text == "done"
    assert len(responses_backend.creates) == 2


def test_a_refused_request_is_not_saved_as_the_answer(responses_backend: Backend) -> None:
    responses_backend.fail(400, message="no").background(polls=1).reply("done")
    app = graph(saver=InMemorySaver())
    with pytest.raises(openai.BadRequestError, match="no"):
        app.invoke(QUESTION, THREAD)
    assert app.invoke(None, THREAD)["messages"][-1].text == "done"


def test_every_attempt_carries_the_same_idempotency_key(responses_backend: Backend) -> None:
    responses_backend.fail(429).background(polls=1).reply("done")
    graph(saver=InMemorySaver()).invoke(QUESTION, THREAD)
    keys = [each.headers["idempotency-key"] for each in responses_backend.creates]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_asking_twice_in_one_node_gives_two_answers(responses_backend: Backend) -> None:
    responses_backend.background(polls=1).reply("one").then.reply("two")
    model = ChatResponses("m", background=FAST, **GATEWAY)
    builder = StateGraph(MessagesState)
    builder.add_node("twice", lambda _: {"messages": [model.invoke("hi"), model.invoke("hi")]})
    builder.add_edge(START, "twice")
    state = builder.compile(checkpointer=InMemorySaver()).invoke(QUESTION, THREAD)
    assert [message.text for message in state["messages"][1:]] == ["one", "two"]


def test_a_fork_is_a_fresh_response(responses_backend: Backend) -> None:
    responses_backend.background(polls=1).reply("one").then.reply("two")
    app = graph(saver=InMemorySaver())
    app.invoke(QUESTION, THREAD)
    past = next(state for state in app.get_state_history(THREAD) if state.next == ("model",))
    assert app.invoke(None, past.config)["messages"][-1].text == "two"


def test_a_parked_graph_is_resumed_by_a_webhook(responses_backend: Backend) -> None:
    responses_backend.background(polls=1).reply("done")
    app = graph(Background(wait="interrupt"), saver=InMemorySaver())
    parked = app.invoke(QUESTION, THREAD)["__interrupt__"][0].value
    assert parked == {"response_id": responses_backend.creates[0].response_id, "status": "queued"}
    state = app.invoke(Command(resume="webhook"), THREAD)
    while "__interrupt__" in state:
        state = app.invoke(Command(resume="again"), THREAD)
    assert state["messages"][-1].text == "done"
    assert len(responses_backend.creates) == 1


@pytest.mark.parametrize(("on_cancel", "cancels"), [("cancel", 1), ("leave", 0)])
async def test_a_cancelled_task_cancels_its_response_if_it_is_to(
    on_cancel: Any, cancels: int, responses_backend: Backend
) -> None:
    responses_backend.background(polls=10_000).reply("never")
    wait = Background(poll_interval=0.01, on_cancel=on_cancel)
    running = asyncio.create_task(graph(wait).ainvoke(QUESTION))
    while polls(responses_backend) < 2:  # noqa: ASYNC110 - the backend has no event to wait for
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sum(each.path.endswith("/cancel") for each in responses_backend.requests) == cancels


def test_durability_that_saves_nothing_is_warned_about(responses_backend: Backend) -> None:
    responses_backend.background(polls=1).reply("done")
    with pytest.warns(UserWarning, match='durability="exit" saves nothing'):
        graph(saver=InMemorySaver()).invoke(QUESTION, THREAD, durability="exit")


WORKER = """
import sys
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from responses_adapters.langgraph import Background, ResponsesNode

base_url, database, way, resume = sys.argv[1:]
saver_type = PostgresSaver if database.startswith("postgresql") else SqliteSaver
builder = StateGraph(MessagesState)
node = ResponsesNode(
    "m", base_url=base_url, server="openai", api_key="sk-x", background=Background(poll_interval=0.05)
)
builder.add_node("model", node)
builder.add_edge(START, "model")
with saver_type.from_conn_string(database) as saver:
    saver.setup()
    graph = builder.compile(checkpointer=saver)
    update = None if resume == "yes" else {"messages": [HumanMessage("hi")]}
    config = {"configurable": {"thread_id": "1"}}
    if way == "stream":
        for chunk, _ in graph.stream(update, config, stream_mode="messages", durability="sync"):
            print(chunk.text, end="", flush=True)
    else:
        print(graph.invoke(update, config, durability="sync")["messages"][-1].text)
"""


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "thread.db")
    return str(request.getfixturevalue("postgresql"))


def is_saved(database: str) -> bool:
    """Whether the thread's checkpoint knows of the response: its tokens may be seen some milliseconds earlier."""
    with PostgresSaver.from_conn_string(database) as saver:
        known = saver.get_tuple(THREAD)
    return any("resp_" in str(value) for _, _, value in (known and known.pending_writes) or ())


@pytest.mark.parametrize(
    ("way", "database"),
    [("invoke", "sqlite"), ("invoke", "postgresql"), ("stream", "postgresql")],
    indirect=["database"],
)
@pytest.mark.responses_backend(patch=False)
def test_a_killed_process_is_resumed_by_another_without_paying_twice(
    way: str, responses_backend: Any, responses_server: Any, tmp_path: Path, database: str
) -> None:
    responses_backend.background(seconds=100).pace(between=60).reply("all done")
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    command = [sys.executable, str(script), responses_server.base_url, database, way]
    with subprocess.Popen([*command, "no"], stdout=subprocess.PIPE) as worker:
        deadline = time.monotonic() + 60
        while way == "invoke" and polls(responses_backend) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        if way == "stream":
            assert worker.stdout is not None
            assert worker.stdout.read(3) == b"all"
            while not is_saved(database) and time.monotonic() < deadline:
                time.sleep(0.05)
        os.kill(worker.pid, signal.SIGKILL)
    responses_backend.clock.advance(200)
    output = subprocess.run(
        [*command, "yes"], capture_output=True, text=True, check=True, timeout=60
    )
    assert output.stdout.strip() == "all done"
    assert len(responses_backend.creates) == 1
