"""A server that sends too much, too deep, too slowly, or what is no text costs a typed error and nothing else."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessagesTypeAdapter

from responses_adapters.errors import (
    AmbiguousSubmitError,
    BackgroundTimeoutError,
    ResponsesAdapterError,
    ResponseTooLargeError,
    StreamTruncatedError,
)
from responses_adapters.langgraph import Background, ChatResponses, ResponsesNode
from responses_adapters.protocol.reading import Limits, Meter, read_json
from responses_adapters.protocol.sse import EventReader, MalformedFrameError
from responses_adapters.pydantic_ai import ResponsesModel, ResponsesProvider
from responses_adapters.testing import Backend, Frame, Reply, Request, ResponsesServer
from responses_adapters.testing.transport import make_transport

EVENTS = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}
DELTA = (
    b'data: {"type":"response.output_text.delta","item_id":"m","output_index":0,"delta":"x"}\n\n'
)
DEEP = "[" * 50_000 + "]" * 50_000
LIMIT = 20_000


class Hostile:
    """Answers every request with the same thing, and counts how much of it was taken."""

    def __init__(self, frames: Callable[[], Iterator[bytes]], *, status: int = 200) -> None:
        self._frames = frames
        self._status = status
        self.taken = 0
        self.requests: list[Request] = []

    def handle(self, request: Request) -> Reply:
        self.requests.append(request)
        headers = EVENTS if json.loads(request.body or b"{}").get("stream") else JSON
        return Reply(self._status, headers if self._status < 300 else JSON, self._sent())

    def _sent(self) -> Iterator[Frame]:
        for data in self._frames():
            self.taken += len(data)
            yield Frame(data)


def chat(handler: Any, **options: Any) -> ChatResponses:
    return ChatResponses(
        "m",
        base_url="https://hostile.test/v1",
        http_client=httpx_client(handler),
        max_response_bytes=LIMIT,
        **options,
    )


def httpx_client(handler: Any) -> Any:
    return openai.DefaultHttpxClient(transport=make_transport(handler))


def agent(handler: Any, timeout: float = 600.0) -> Agent[None, str]:
    sender = httpx2.AsyncClient(transport=make_transport(handler), timeout=timeout)
    provider = ResponsesProvider(
        base_url="https://hostile.test/v1", http_client=sender, max_response_bytes=LIMIT
    )
    return Agent(ResponsesModel("m", provider=provider))


async def streamed(asked: Agent[None, str]) -> str:
    async with asked.run_stream("Hello") as result:
        return await result.get_output()


def endless(data: bytes, first: bytes = b"") -> Callable[[], Iterator[bytes]]:
    return lambda: itertools.chain([first], itertools.repeat(data))


@pytest.mark.parametrize(
    "data", [DELTA, b": a comment\n\n", b"data: no end "], ids=["events", "comments", "line"]
)
async def test_an_endless_stream_is_read_up_to_the_limit(data: bytes) -> None:
    server = Hostile(endless(data))
    with pytest.raises(ResponseTooLargeError, match="raise max_response_bytes=") as caught:
        list(chat(server).stream("Hello"))
    assert caught.value.server == "generic"
    assert server.taken <= LIMIT + len(data)

    server = Hostile(endless(data))
    with pytest.raises(ModelAPIError, match="more than 20,000 bytes"):
        await streamed(agent(server))
    assert server.taken <= LIMIT + len(data)


async def test_an_endless_body_is_read_up_to_the_limit_and_not_asked_for_again() -> None:
    server = Hostile(endless(b" " * 1000, b'{"id": "resp_1", "output": ['))
    with pytest.raises(ResponseTooLargeError, match="more than 20,000 bytes"):
        chat(server).invoke("Hello")
    assert server.taken <= LIMIT + 1000
    assert len(server.requests) == 1

    server = Hostile(endless(b" " * 1000, b'{"id": "resp_1", "output": ['))
    with pytest.raises(ModelAPIError, match="more than 20,000 bytes"):
        await agent(server).run("Hello")
    assert server.taken <= LIMIT + 1000
    assert len(server.requests) == 1


async def test_an_endless_error_is_read_up_to_a_limit() -> None:
    server = Hostile(endless(b" " * 100_000), status=400)
    with pytest.raises(ModelAPIError):
        await agent(server).run("Hello")
    assert server.taken <= LIMIT + 100_000

    server = Hostile(endless(b" " * 100_000), status=400)
    with ResponsesServer() as socket, socket.mount(server) as tenant:  # type: ignore[arg-type]
        model = ChatResponses("m", base_url=tenant.base_url)
        with pytest.raises(ResponseTooLargeError, match="an error of more than 1,048,576 bytes"):
            model.invoke("Hello")
        with pytest.raises(ResponseTooLargeError, match="an error of more than 1,048,576 bytes"):
            await model.ainvoke("Hello")


def test_events_are_counted() -> None:
    meter = Meter(Limits(events=10), lambda: "https://gw/v1/responses")
    meter.read(b"", events=10)
    with pytest.raises(
        ResponseTooLargeError, match=r"^https://gw/v1/responses sent more than 10 events"
    ):
        meter.read(b"", events=1)


def comments_for_ever() -> Iterator[bytes]:
    yield b'data: {"type":"response.created","response":{"id":"resp_1","status":"in_progress"}}\n\n'
    yield from itertools.repeat(b": still there\n\n")


class Dripping(Hostile):
    """Never silent for longer than a millisecond."""

    def _sent(self) -> Iterator[Frame]:
        for frame in super()._sent():
            yield Frame(frame.data, 0.001)


async def test_comments_alone_are_silence() -> None:
    with pytest.raises(StreamTruncatedError):
        list(chat(Dripping(comments_for_ever), timeout=0.02, store=False).stream("Hello"))
    with pytest.raises(ModelAPIError):
        await streamed(agent(Dripping(comments_for_ever), timeout=0.02))


async def test_a_body_that_drips_is_silence() -> None:
    with pytest.raises(AmbiguousSubmitError):
        chat(Dripping(endless(b" ")), timeout=0.02).invoke("Hello")
    with pytest.raises(ModelAPIError):
        await agent(Dripping(endless(b" ")), timeout=0.02).run("Hello")


def test_the_time_that_polls_take_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SimpleNamespace(sleep=lambda _: None, monotonic=itertools.count(0, 250).__next__)
    monkeypatch.setattr("responses_adapters.protocol.client.time", slow)
    backend = Backend("openai", brain=True)
    backend.background(polls=10_000)
    model = ChatResponses(
        "m",
        server="openai",
        api_key="k",
        http_client=httpx_client(backend),
        background=Background(poll_interval=1.0, poll_timeout=600.0),
    )
    with pytest.raises(BackgroundTimeoutError):
        model.invoke("Hello")
    assert [each.method for each in backend.requests] == ["POST", "GET", "GET", "GET"]


@pytest.mark.parametrize("pause", [0.0, -1.0, 1e-9])
def test_a_server_that_wants_no_pause_is_not_polled_in_circles(
    pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    idle = SimpleNamespace(sleep=slept.append, monotonic=lambda: 0.0)
    monkeypatch.setattr("responses_adapters.protocol.client.time", idle)
    backend = Backend("openai", brain=True)
    backend.background(polls=10_000).fail(429, retry_after=pause, endpoint="retrieve", times=10_000)
    model = ChatResponses(
        "m",
        server="openai",
        api_key="k",
        http_client=httpx_client(backend),
        background=Background(poll_interval=2.0, poll_timeout=60.0),
    )
    with pytest.raises(BackgroundTimeoutError):
        model.invoke("Hello")
    assert min(slept) >= 0.5
    assert len(backend.requests) <= 122


ANSWER: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
}


def answer(**fields: Any) -> bytes:
    return json.dumps({**ANSWER, "output": [], **fields}).encode()


def message(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }


def wire(body: bytes) -> Callable[[], Iterator[bytes]]:
    """The body whole, or as the last event of a stream: whatever was asked for."""
    return lambda: iter([body])


def as_stream(body: bytes) -> bytes:
    return b'data: {"type":"response.completed","response":' + body + b"}\n\n"


async def in_every_way(body: bytes, *, typed: bool) -> list[str]:
    """What both rooms make of a body, whole and streamed."""
    large = {"max_response_bytes": 10**7}
    whole, stream = Hostile(wire(body)), Hostile(wire(as_stream(body)))
    found: list[str] = []
    asked: list[Callable[[], Any]] = [
        lambda: chat(whole).model_copy(update=large).invoke("Hello").text,
        lambda: "".join(
            part.text for part in chat(stream, store=False).model_copy(update=large).stream("Hello")
        ),
    ]
    for ask in asked:
        if typed:
            with pytest.raises((ResponsesAdapterError, openai.APIError)):
                ask()
        else:
            found.append(ask())
    for run in (lambda a: a.run("Hello"), streamed):
        made = agent(whole if run is not streamed else stream)
        if typed:
            with pytest.raises(ModelAPIError):
                await run(made)
        else:
            said = await run(made)
            found.append(said if isinstance(said, str) else said.output)
    return found


async def test_json_without_a_floor_is_an_error() -> None:
    deep = answer().replace(b'"output": []', b'"output": [], "x": ' + DEEP.encode())
    await in_every_way(deep[: LIMIT - 200] + b"}", typed=True)  # cut in the middle
    shallow = answer().replace(
        b'"output": []', b'"output": [], "x": ' + DEEP[49_000:51_000].encode()
    )
    await in_every_way(shallow, typed=True)


async def test_half_a_character_does_not_spoil_the_thread() -> None:
    body = answer(output=[message("a \ud83d b")])
    assert await in_every_way(body, typed=False) == ["a \ufffd b"] * 4


async def test_numbers_that_json_has_not_are_no_numbers() -> None:
    body = answer(output=[message("fine")], temperature=float("nan"), top_p=float("inf"))
    assert await in_every_way(body, typed=False) == ["fine"] * 4


@pytest.mark.parametrize(
    "arguments",
    [
        DEEP[40_000:60_000],
        f'{{"a": {DEEP[49_700:50_300]}}}',
        '{"a": "\\ud83d"}',
        '{"a": NaN}',
        "{" * 9_000,
    ],
)
def test_odd_arguments_of_a_call_leave_a_thread_that_goes_on(arguments: str) -> None:
    backend = Backend("openai")
    backend.call_tool("look", arguments).then.reply("Well.")
    builder = StateGraph(MessagesState)
    node = ResponsesNode(
        "m",
        base_url="https://gw.test/v1",
        server="openai",
        api_key="k",
        http_client=httpx_client(backend),
    )
    builder.add_node("model", node)
    builder.add_edge(START, "model")
    graph = builder.compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    called = graph.invoke({"messages": [HumanMessage("Look.")]}, thread)["messages"][-1]
    kept = read_json(json.dumps([call["args"] for call in called.tool_calls]).encode())
    assert kept == [call["args"] for call in called.tool_calls]
    state = graph.invoke({"messages": [HumanMessage("And?")]}, thread)
    assert state["messages"][-1].text == "Well."


async def test_half_a_character_of_the_caller_is_sent_as_a_whole_one() -> None:
    backend = Backend("openai", brain=True)
    model = ChatResponses("m", server="openai", api_key="k", http_client=httpx_client(backend))
    model.invoke("Half a \ud83d smile")
    assert backend.contexts[-1].texts == ["Half a \ufffd smile"]


async def test_histories_stay_json_after_half_a_character() -> None:
    body = answer(output=[message("a \ud83d b")])
    history = (await agent(Hostile(wire(body))).run("Hello")).all_messages()
    assert "\ufffd".encode() in ModelMessagesTypeAdapter.dump_json(history)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=8,
)


@given(json_values)
@example([float("nan"), float("-inf"), "\ud800"])
def test_whatever_is_read_can_be_sent_on(value: Any) -> None:
    read = read_json(json.dumps(value).encode())
    json.dumps(read, allow_nan=False, ensure_ascii=False).encode()


@given(st.binary(max_size=60) | st.integers(0, 3000).map(lambda n: b"[" * n + b"]" * n))
def test_bytes_are_json_or_a_value_error(data: bytes) -> None:
    try:
        read_json(data)
    except ValueError:
        return


@pytest.mark.parametrize("depth", [101, 102, 900, 100_000])
def test_nesting_has_a_limit(depth: int) -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' * levels + b"1" + b"}" * levels

    assert read_json(nested(101 - 1))
    with pytest.raises(ValueError, match="deeper than 100 levels"):
        read_json(nested(depth + 1))
    with pytest.raises(MalformedFrameError):
        EventReader().feed(b"data: " + nested(depth + 1) + b"\n\n")
