"""A background response is read as it is written, and taken up again by its id when its stream was cut."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command, RetryPolicy, TimeoutPolicy

from asking import send
from responses_adapters.errors import AmbiguousSubmitError, ResponseFailedError
from responses_adapters.langgraph import (
    Background,
    ChatResponses,
    ResponsesNode,
    add_responses,
    background,
    responses_retry_on,
)
from responses_adapters.langgraph.submitted import InFlight
from responses_adapters.testing import Backend
from responses_adapters.testing.transport import make_transport

GATEWAY: dict[str, Any] = {"base_url": "https://gw.test/v1", "api_key": "sk-gw", "server": "openai"}
FAST = Background(poll_interval=0.001)
THREAD: Any = {"configurable": {"thread_id": "1"}}
QUESTION = {"messages": [HumanMessage("hi")]}
TEXT = "one two three four"


def graph(
    wait: Background = FAST, *, server: str = "openai", saver: Any = None, **kept: Any
) -> Any:
    builder = StateGraph(MessagesState)
    node = ResponsesNode("m", background=wait, **{**GATEWAY, "server": server})
    builder.add_node("model", node, **kept)
    builder.add_edge(START, "model")
    return builder.compile(checkpointer=saver)


async def texts(app: Any, update: Any, asynchronous: bool, config: Any = THREAD) -> list[str]:
    """The text of each chunk that says any."""
    if asynchronous:
        streamed = app.astream(update, config, stream_mode="messages")
        said = [chunk.text async for chunk, _ in streamed]
    else:
        said = [chunk.text for chunk, _ in app.stream(update, config, stream_mode="messages")]
    return [text for text in said if text]


@pytest.mark.parametrize(("window", "streamed"), [("soonest", True), ("8h", False)])
def test_an_answer_that_has_hours_is_polled_for(window: str, streamed: bool) -> None:
    backend = Backend("openai").background(polls=2)
    backend.reply(TEXT)
    model = ChatResponses(
        "m",
        background=FAST,
        background_options={"completion_window": window},
        http_client=openai.DefaultHttpxClient(transport=make_transport(backend)),
        **GATEWAY,
    )
    assert "".join(chunk.text for chunk in model.stream("hi")) == TEXT
    assert [each.json.get("stream") for each in backend.creates] == [streamed]


def polls(backend: Backend) -> int:
    return sum(
        each.method == "GET" and "stream" not in each.request.query for each in backend.requests
    )


def followed(backend: Backend) -> list[str | None]:
    """Where each stream by id began."""
    return [
        each.request.query.get("starting_after")
        for each in backend.requests
        if each.method == "GET" and "stream" in each.request.query
    ]


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def asynchronous(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def test_its_tokens_arrive_as_they_are_written(
    asynchronous: bool, responses_backend: Backend
) -> None:
    responses_backend.background(polls=3).reply(TEXT)
    said = await texts(graph(saver=InMemorySaver()), QUESTION, asynchronous)
    assert said == ["one", " two", " three", " four"]
    assert [each.json["stream"] for each in responses_backend.creates] == [True]
    assert len(responses_backend.requests) == 1


def test_outside_of_graphs_too(responses_backend: Backend) -> None:
    responses_backend.background(polls=3).reason("let me see").reply(TEXT)
    model = ChatResponses("m", background=FAST, **GATEWAY)
    chunks = list(model.stream("hi"))
    blocks = [block for chunk in chunks for block in chunk.content if isinstance(block, dict)]
    thought = [block["reasoning"] for block in blocks if "reasoning" in block]
    assert thought == ["let", " me", " see"]
    assert [chunk.text for chunk in chunks if chunk.text] == ["one", " two", " three", " four"]


def test_a_stream_is_taken_up_again_with_the_version_that_azure_wants() -> None:
    backend = Backend("azure")
    backend.background(polls=3).reply(TEXT).truncate(after=7)
    client = openai.AzureOpenAI(
        api_key="k",
        api_version="preview",
        azure_endpoint="https://x.openai.azure.com",
        http_client=openai.DefaultHttpxClient(transport=make_transport(backend)),
    )
    model = ChatResponses("m", client=client, background=FAST)
    assert "".join(chunk.text for chunk in model.stream("hi")) == TEXT
    asked = {"stream": "true", "starting_after": "6", "api-version": "preview"}
    assert backend.requests[-1].request.query == asked


@pytest.mark.parametrize("cut", ["truncate", "disconnect"])
async def test_a_cut_stream_goes_on_after_the_last_event_that_was_read(
    cut: str, asynchronous: bool, responses_backend: Backend
) -> None:
    turn = responses_backend.background(polls=3).reply(TEXT)
    getattr(turn, cut)(after=7)
    app = graph(saver=InMemorySaver())
    said = await texts(app, QUESTION, asynchronous)
    assert said == ["one", " two", " three", " four"]
    assert app.get_state(THREAD).values["messages"][-1].text == TEXT
    assert len(responses_backend.creates) == 1
    assert followed(responses_backend) == ["6"]


async def test_a_resumed_run_streams_what_another_process_submitted(
    asynchronous: bool, responses_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses_backend.background(polls=4).reply(TEXT).truncate(after=7)
    responses_backend.fail(418, endpoint="retrieve")
    app = graph(saver=InMemorySaver())
    with pytest.raises(Exception, match="418"):
        await texts(app, QUESTION, asynchronous)
    monkeypatch.setattr(background, "in_flight", InFlight())  # another process
    assert await texts(app, None, asynchronous) == ["one", " two", " three", " four"]
    assert len(responses_backend.creates) == 1
    assert followed(responses_backend) == [None]


def test_a_run_that_streams_is_resumed_by_one_that_does_not(
    responses_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses_backend.background(polls=2).reply(TEXT).truncate(after=7)
    responses_backend.fail(418, endpoint="retrieve")
    app = graph(saver=InMemorySaver())
    with pytest.raises(Exception, match="418"):
        list(app.stream(QUESTION, THREAD, stream_mode="messages"))
    monkeypatch.setattr(background, "in_flight", InFlight())  # another process
    assert app.invoke(None, THREAD)["messages"][-1].text == TEXT
    assert len(responses_backend.creates) == 1


async def test_a_server_that_cannot_stream_it_is_polled_and_says_so(
    asynchronous: bool, responses_backend: Backend
) -> None:
    responses_backend.background(polls=2).reply(TEXT)
    app = graph(server="generic", saver=InMemorySaver())
    modes: Any = {"stream_mode": ["messages", "custom"]}
    if asynchronous:
        events = [event async for event in app.astream(QUESTION, THREAD, **modes)]
    else:
        events = list(app.stream(QUESTION, THREAD, **modes))
    assert [mode for mode, _ in events if mode == "custom"] == ["custom", "custom"]
    assert [each[0].text for mode, each in events if mode == "messages" and each[0].text] == [TEXT]
    assert responses_backend.creates[0].json["stream"] is False


async def test_a_stream_by_id_that_is_refused_leaves_polling(
    asynchronous: bool, responses_backend: Backend
) -> None:
    responses_backend.background(polls=4).reply(TEXT).truncate(after=4)
    responses_backend.fail(400, endpoint="retrieve")
    app = graph(saver=InMemorySaver())
    with pytest.raises(Exception, match="400"):  # this one was a poll
        await texts(app, QUESTION, asynchronous)
    assert await texts(app, None, asynchronous) == ["one", " two", " three", " four"]


def test_a_response_that_fails_halfway_is_not_told_twice(responses_backend: Backend) -> None:
    responses_backend.background(polls=2).reply("half").fail_turn("server_error", "down")
    responses_backend.reply(TEXT)
    policy = RetryPolicy(initial_interval=0.001, retry_on=responses_retry_on)
    app = graph(saver=InMemorySaver(), retry_policy=policy)
    list(app.stream(QUESTION, THREAD, stream_mode="messages"))
    assert app.get_state(THREAD).values["messages"][-1].text == TEXT
    assert len(responses_backend.creates) == 2


def test_a_resumed_response_that_fails_halfway_is_replaced_at_the_next_attempt(
    responses_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = responses_backend.background(polls=4).reply("half")
    failing.fail_turn("server_error", "down").truncate(after=4)
    responses_backend.reply(TEXT)
    responses_backend.fail(418, endpoint="retrieve")
    app = graph(saver=InMemorySaver())
    with pytest.raises(Exception, match="418"):
        list(app.stream(QUESTION, THREAD, stream_mode="messages"))
    monkeypatch.setattr(background, "in_flight", InFlight())  # another process
    with pytest.raises(ResponseFailedError, match="down"):
        list(app.stream(None, THREAD, stream_mode="messages"))
    list(app.stream(None, THREAD, stream_mode="messages"))
    assert app.get_state(THREAD).values["messages"][-1].text == TEXT
    assert len(responses_backend.creates) == 2


def test_a_cancelled_response_ends_the_wait_though_its_stream_has_no_end(
    responses_backend: Backend,
) -> None:
    responses_backend.background(polls=9).reply(TEXT).truncate(after=3)
    seen: list[Any] = []

    def cancel(event: Any) -> None:
        seen.append(event)
        response_id = responses_backend.creates[0].response_id
        send(responses_backend, "POST", f"/v1/responses/{response_id}/cancel")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(background, "tell_graph", cancel)
        with pytest.raises(ResponseFailedError, match="cancelled"):
            list(graph().stream(QUESTION, stream_mode="messages"))
    assert len(seen) == 1


def test_a_stream_that_ends_before_it_names_its_response_may_run(
    responses_backend: Backend,
) -> None:
    responses_backend.background(polls=1).reply(TEXT).truncate(after=0)
    with pytest.raises(AmbiguousSubmitError, match="may be running"):
        list(graph(saver=InMemorySaver()).stream(QUESTION, THREAD, stream_mode="messages"))


@pytest.mark.parametrize("after", [0, 5])
async def test_an_error_in_the_stream_is_an_error_and_the_next_attempt_asks_again(
    after: int, asynchronous: bool, responses_backend: Backend
) -> None:
    responses_backend.background(polls=0).error_event(message="Too hot", after=after).reply("x")
    app = graph(saver=InMemorySaver())
    with pytest.raises(ResponseFailedError, match="Too hot"):
        await texts(app, QUESTION, asynchronous)
    if after == 0:
        responses_backend.reply("cool again")
    said = await texts(app, None, asynchronous)
    assert "".join(said) == ("x" if after else "cool again")


@pytest.mark.parametrize("kind", ["parked", "pair"])
def test_nobody_asks_for_events_that_nobody_stays_to_read(
    kind: str, responses_backend: Backend
) -> None:
    responses_backend.background(polls=1).reply(TEXT)
    if kind == "parked":
        app = graph(Background(wait="interrupt"), saver=InMemorySaver())
    else:
        builder = StateGraph(MessagesState)
        node = ResponsesNode("m", background=FAST, **GATEWAY)
        add_responses(builder, "model", node)
        builder.add_edge(START, "model")
        app = builder.compile(checkpointer=InMemorySaver())
    update: Any = QUESTION
    while app.get_state(THREAD).next or update is QUESTION:
        list(app.stream(update, THREAD, stream_mode="messages"))
        update = Command(resume="webhook")
    assert responses_backend.creates[0].json["stream"] is False
    assert app.get_state(THREAD).values["messages"][-1].text == TEXT


async def test_a_silent_stream_keeps_its_node_alive_and_says_that_it_waits(
    responses_backend: Backend,
) -> None:
    responses_backend.background(polls=1).pace(first=0.5).reply("late")
    app = graph(Background(poll_interval=0.05), timeout=TimeoutPolicy(idle_timeout=0.3))
    events = [event async for event in app.astream(QUESTION, stream_mode=["messages", "custom"])]
    waits = [event for mode, event in events if mode == "custom"]
    assert len(waits) >= 2
    assert waits[0]["type"] == "responses_adapters.waiting"
    assert polls(responses_backend) == 0


async def test_a_cancelled_run_cancels_the_response_that_it_reads(
    responses_backend: Backend,
) -> None:
    responses_backend.background(polls=9).pace(between=30).reply(TEXT)
    said: list[str] = []

    async def read() -> None:
        async for chunk, _ in graph().astream(QUESTION, stream_mode="messages"):
            said.append(chunk.text)

    running = asyncio.create_task(read())
    while not said:  # noqa: ASYNC110 - the stream has no event to wait for
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [each.path for each in responses_backend.requests if each.path.endswith("/cancel")]


def test_a_drained_run_stops_reading_and_the_next_goes_on(
    responses_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses_backend.background(polls=4).pace(between=0.05).reply(TEXT)
    app, control = graph(saver=InMemorySaver()), RunControl()
    running = app.stream(QUESTION, THREAD, stream_mode="messages", control=control)
    next(running)
    control.request_drain("deploy")
    with pytest.raises(GraphDrained, match="deploy"):
        list(running)
    monkeypatch.setattr(background, "in_flight", InFlight())  # another process
    said = [chunk.text for chunk, _ in app.stream(None, THREAD, stream_mode="messages")]
    assert "".join(said) == TEXT
    assert len(responses_backend.creates) == 1
