"""The in-process transport: incremental, closing what it opens, failing as a socket fails."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType

import httpx
import openai
import pytest

from responses_adapters.testing import Backend
from responses_adapters.testing.transport import (
    async_openai_client,
    make_transport,
    openai_client,
    sdk_library,
)
from responses_adapters.testing.wire import Fault, Frame, Reply, Request

sdk_http = import_module(sdk_library())  # httpx2, or httpx under OpenAI 2.x

LIBRARIES = [pytest.param(each, id=each.__name__) for each in dict.fromkeys((sdk_http, httpx))]
URL = "https://any.example/v1/responses"
EVENTS = {"content-type": "text/event-stream"}


class Scripted:
    """Answers every request with what a function makes of it, and keeps the requests."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.answer = answer
        self.requests: list[Request] = []

    def handle(self, request: Request) -> Reply:
        self.requests.append(request)
        return self.answer(request)


def streaming(*frames: Frame) -> Scripted:
    return Scripted(lambda request: Reply(200, EVENTS, iter(frames)))


def client_of(library: ModuleType, backend: Scripted, **options):
    transport = make_transport(backend, library=library.__name__)
    return library.Client(transport=transport, **options)


def async_client_of(library: ModuleType, backend: Scripted, **options):
    transport = make_transport(backend, library=library.__name__)
    return library.AsyncClient(transport=transport, **options)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_transport_is_one_of_the_library_s_own(library):
    transport = make_transport(streaming(), library=library.__name__)

    assert isinstance(transport, library.BaseTransport)
    assert isinstance(transport, library.AsyncBaseTransport)


def test_the_default_library_is_the_one_the_sdk_uses():
    assert issubclass(openai.DefaultHttpxClient, sdk_http.Client)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_backend_sees_method_decoded_path_query_headers_and_bytes(library):
    backend = Scripted(lambda request: Reply.json(200, {"ok": True}))

    answer = client_of(library, backend).post(
        "https://any.example/v1/responses/a%20b?include=x&include=y",
        headers={"X-Thing": "1"},
        content=b"{}",
    )

    assert answer.json() == {"ok": True}
    assert answer.headers["content-length"] == "11"
    (request,) = backend.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/responses/a b", b"{}")
    assert request.query == {"include": "y"}
    assert request.headers["x-thing"] == "1"
    assert request.headers["host"] == "any.example"


@pytest.mark.parametrize("library", LIBRARIES)
async def test_an_async_client_gets_the_same_bytes(library):
    backend = streaming(Frame(b"one"), Frame(b"two"))

    async with async_client_of(library, backend).stream("POST", URL) as answer:
        chunks = [chunk async for chunk in answer.aiter_raw()]

    assert chunks == [b"one", b"two"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_frame_is_made_only_when_it_is_read(library):
    made = []

    def frames() -> Iterator[Frame]:
        for number in range(3):
            made.append(number)
            yield Frame(b"%d" % number)

    backend = Scripted(lambda request: Reply(200, EVENTS, frames()))
    with client_of(library, backend).stream("POST", URL) as answer:
        body = answer.iter_raw()
        assert made == []
        assert next(body) == b"0"
        assert made == [0]


def test_the_first_frame_arrives_before_the_second_one_s_delay():
    backend = streaming(Frame(b"one"), Frame(b"two", delay=0.2))

    with client_of(sdk_http, backend).stream("POST", URL) as answer:
        body = answer.iter_raw()
        assert next(body) == b"one"
        begun = time.monotonic()
        assert next(body) == b"two"
        assert time.monotonic() - begun >= 0.19


async def test_an_async_delay_leaves_the_loop_to_others():
    backend = streaming(Frame(b"one", delay=0.05))
    ran = []

    async def other() -> None:
        ran.append(True)

    async with async_client_of(sdk_http, backend).stream("POST", URL) as answer:
        task = asyncio.create_task(other())
        assert [chunk async for chunk in answer.aiter_raw()] == [b"one"]
        assert ran == [True]
        await task


@pytest.mark.parametrize("library", LIBRARIES)
def test_closing_the_response_early_closes_the_frames(library):
    closed = []

    def frames() -> Iterator[Frame]:
        try:
            yield Frame(b"one")
            yield Frame(b"two")
        finally:
            closed.append(True)

    backend = Scripted(lambda request: Reply(200, EVENTS, frames()))
    with client_of(library, backend).stream("POST", URL) as answer:
        body = answer.iter_raw()
        assert next(body) == b"one"
        assert closed == []

    assert closed == [True]


async def test_closing_an_async_response_early_closes_the_frames():
    closed = []

    def frames() -> Iterator[Frame]:
        try:
            yield Frame(b"one")
            yield Frame(b"two")
        finally:
            closed.append(True)

    backend = Scripted(lambda request: Reply(200, EVENTS, frames()))
    async with async_client_of(sdk_http, backend).stream("POST", URL) as answer:
        async for _ in answer.aiter_raw():
            break

    assert closed == [True]


async def test_a_second_request_is_answered_while_a_stream_is_open():
    released = threading.Event()

    def frames() -> Iterator[Frame]:
        yield Frame(b"one")
        assert released.is_set()
        yield Frame(b"two")

    def answer(request: Request) -> Reply:
        if request.path.endswith("/cancel"):
            released.set()
            return Reply.json(200, {})
        return Reply(200, EVENTS, frames())

    client = async_client_of(sdk_http, Scripted(answer))
    async with asyncio.timeout(5), client.stream("POST", URL) as stream:
        body = stream.aiter_raw()
        assert await anext(body) == b"one"
        await client.post(f"{URL}/resp_1/cancel")
        assert await anext(body) == b"two"


async def test_concurrent_streams_advance_together():
    backend = Scripted(lambda request: Reply(200, EVENTS, iter([Frame(b"1"), Frame(b"2")])))
    seen = []

    async def read(name: str) -> None:
        async with async_client_of(sdk_http, backend).stream("POST", URL) as answer:
            async for chunk in answer.aiter_raw():
                seen[:] = [*seen, name + chunk.decode()]

    await asyncio.gather(read("a"), read("b"))

    assert seen == ["a1", "b1", "a2", "b2"]


async def test_concurrent_requests_take_turns():
    backend = Scripted(lambda request: Reply.json(200, {}))

    async def ask(name: str) -> None:
        async with async_client_of(sdk_http, backend) as client:
            await client.post(f"{URL}/{name}1")
            await client.post(f"{URL}/{name}2")

    await asyncio.gather(ask("a"), ask("b"))

    assert [request.path[-2:] for request in backend.requests] == ["a1", "b1", "a2", "b2"]


async def test_a_cancelled_task_counts_as_a_client_that_left():
    backend = Backend()
    backend.reply("one two three four")
    client = sdk_http.AsyncClient(transport=make_transport(backend))
    begun = asyncio.Event()

    async def consume() -> None:
        body = {"model": "m", "input": "Hi", "stream": True}
        async with client.stream("POST", URL, json=body) as answer:
            async for _ in answer.aiter_raw():
                begun.set()

    task = asyncio.create_task(consume())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert backend.requests[-1].disconnected


FAULTS = [
    ("refuse", "ConnectError", "RemoteProtocolError"),
    ("disconnect", "RemoteProtocolError", "RemoteProtocolError"),
    ("reset", "ReadError", "ReadError"),
    ("stall", "ReadTimeout", "ReadTimeout"),
]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("fault", "before", "after"), FAULTS)
def test_a_fault_before_the_headers_raises_what_a_socket_raises(
    library, fault: Fault, before, after
):
    silent = Scripted(lambda request: Reply(200, {}, b"", fault=fault))
    with pytest.raises(getattr(library, before)) as caught:
        client_of(library, silent).post(URL)
    assert caught.value.request.url == URL
    cause = caught.value.__cause__
    assert cause is not None
    assert type(cause).__module__.startswith("httpcore")
    assert type(cause).__name__ == before


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("fault", "before", "after"), FAULTS)
def test_a_fault_inside_a_stream_comes_after_what_was_sent(library, fault: Fault, before, after):
    backend = streaming(Frame(b"one"), Frame(fault=fault))

    with client_of(library, backend).stream("POST", URL) as answer:
        body = answer.iter_raw()
        assert next(body) == b"one"
        with pytest.raises(getattr(library, after)):
            next(body)


def test_a_connection_cut_before_and_inside_a_reply_says_which():
    before = Scripted(lambda request: Reply(200, {}, b"", fault="disconnect"))
    with pytest.raises(sdk_http.RemoteProtocolError, match="Server disconnected without sending"):
        client_of(sdk_http, before).post(URL)

    with pytest.raises(sdk_http.RemoteProtocolError, match="incomplete chunked read"):
        client_of(sdk_http, streaming(Frame(fault="disconnect"))).post(URL)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_silence_beyond_the_read_timeout_raises_without_waiting(library):
    backend = streaming(Frame(b"one"), Frame(b"two", delay=3600))

    with pytest.raises(library.ReadTimeout):
        client_of(library, backend, timeout=5).post(URL)


def test_silence_adds_up_over_empty_frames():
    backend = streaming(Frame(delay=0.03), Frame(b"late", delay=0.03))

    with pytest.raises(sdk_http.ReadTimeout):
        client_of(sdk_http, backend, timeout=0.05).post(URL)


def test_silence_ends_with_every_event():
    backend = streaming(Frame(b"1", delay=0.06), Frame(b"2", delay=0.06), Frame(b"3", delay=0.06))

    assert client_of(sdk_http, backend, timeout=0.1).post(URL).content == b"123"


def test_a_stall_that_the_client_sits_out_takes_no_time():
    backend = streaming(Frame(b"one"), Frame(delay=3600, fault="stall"), Frame(b"two"))

    assert client_of(sdk_http, backend, timeout=7200).post(URL).content == b"onetwo"


def test_a_stall_ends_even_for_a_client_without_a_timeout():
    with pytest.raises(sdk_http.ReadTimeout):
        client_of(sdk_http, streaming(Frame(fault="stall")), timeout=None).post(URL)


def test_the_openai_clients_need_neither_key_nor_address(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    backend = Scripted(lambda request: Reply.json(200, {"object": "list", "data": []}))

    assert openai_client(backend).models.list().data == []

    assert backend.requests[0].path == "/v1/models"
    assert backend.requests[0].headers["host"] == "api.openai.com"


async def test_the_openai_clients_pass_options_on():
    backend = Scripted(lambda request: Reply.json(200, {"object": "list", "data": []}))

    client = async_openai_client(backend, base_url="http://mine.example/v3", max_retries=0)

    assert (await client.models.list()).data == []
    assert backend.requests[0].path == "/v3/models"
    assert client.max_retries == 0


@pytest.mark.parametrize("fault", ["refuse", "disconnect", "reset"])
def test_the_sdk_reports_a_broken_connection(fault: Fault):
    backend = Scripted(lambda request: Reply(200, {}, b"", fault=fault))

    with pytest.raises(openai.APIConnectionError):
        openai_client(backend, max_retries=0).models.list()
