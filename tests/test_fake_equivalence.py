"""One backend, every way to reach it: the same bytes, the same events, the same exceptions."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pytest

from responses_adapters.testing import Backend
from responses_adapters.testing.server import ResponsesServer
from responses_adapters.testing.transport import make_transport, sdk_library
from responses_adapters.testing.wire import Frame, Reply, Request

sdk_http = import_module(sdk_library())  # httpx2, or httpx under OpenAI 2.x

QUESTION = {"model": "m", "input": "Is the Birch room free?"}
TOOL = {"type": "function", "name": "check_room", "parameters": {"type": "object"}}


@dataclass(frozen=True)
class Carrier:
    """One way to reach a backend: which library, sync or async, in process or over a socket."""

    library: Any
    is_async: bool = False
    socket: bool = False


CARRIERS = [
    pytest.param(Carrier(sdk_http), id="sync"),
    pytest.param(Carrier(sdk_http, is_async=True), id="async"),
    pytest.param(Carrier(httpx), id="legacy-sync"),
    pytest.param(Carrier(httpx, is_async=True), id="legacy-async"),
    pytest.param(Carrier(sdk_http, socket=True), id="socket-sync"),
    pytest.param(Carrier(sdk_http, is_async=True, socket=True), id="socket-async"),
    pytest.param(Carrier(httpx, socket=True), id="socket-legacy-sync"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[ResponsesServer]:
    with ResponsesServer() as running:
        yield running


@pytest.fixture
def reach(request: pytest.FixtureRequest, server: ResponsesServer):
    """Run requests against a backend over a carrier and give everything that came back."""

    def reach(
        carrier: Carrier, backend: Backend, calls: list[dict[str, Any]], timeout: float = 5.0
    ) -> list[Any]:
        with server.mount(backend) as tenant:
            transport = (
                None
                if carrier.socket
                else make_transport(backend, library=carrier.library.__name__)
            )
            options = {"base_url": tenant.base_url, "api_key": "k", "max_retries": 0}
            made = {"transport": transport, "timeout": timeout}
            if carrier.is_async:
                return asyncio.run(_ask_async(carrier.library.AsyncClient(**made), options, calls))
            return _ask(carrier.library.Client(**made), options, calls)

    return reach


def _ask(http_client: Any, options: dict[str, Any], calls: list[dict[str, Any]]) -> list[Any]:
    seen: list[Any] = []
    with openai.OpenAI(http_client=http_client, **options) as client:
        for call in calls:
            try:
                answer = client.responses.create(**call)
                if call.get("stream"):
                    for event in answer:
                        seen.append(event.to_dict())  # noqa: PERF401 - it keeps what came before a fault
                else:
                    seen.append(answer.to_dict())
            except Exception as error:  # noqa: BLE001 - the type is the result
                seen.append(_outcome(error))
    return seen


async def _ask_async(
    http_client: Any, options: dict[str, Any], calls: list[dict[str, Any]]
) -> list[Any]:
    seen: list[Any] = []
    async with openai.AsyncOpenAI(http_client=http_client, **options) as client:
        for call in calls:
            try:
                answer = await client.responses.create(**call)
                if call.get("stream"):
                    async for event in answer:
                        seen.append(event.to_dict())  # noqa: PERF401
                else:
                    seen.append(answer.to_dict())
            except Exception as error:  # noqa: BLE001 - the type is the result
                seen.append(_outcome(error))
    return seen


def _outcome(error: Exception) -> tuple[str, str | None]:
    cause = error.__cause__
    return type(error).__name__, type(cause).__name__ if cause else None


def conversation() -> Backend:
    backend = Backend()
    backend.reason("Look first.").call_tool("check_room", room="Birch")
    backend.reply("It is free.")
    backend.reply("Booked.")
    return backend


TURNS = [
    {**QUESTION, "tools": [TOOL], "stream": True},
    {**QUESTION, "input": "And Cedar?", "stream": True},
    {**QUESTION, "input": "Book it."},
    {**QUESTION, "previous_response_id": "resp_nobody"},
    {**QUESTION, "input": 5},
]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_conversation_reads_the_same_on_every_carrier(carrier, reach):
    transcript = reach(carrier, conversation(), TURNS)

    assert transcript == reach(Carrier(sdk_http), conversation(), TURNS)
    assert transcript[-3]["output"][0]["content"][0]["text"] == "Booked."
    assert transcript[-2:] == [("BadRequestError", None), ("BadRequestError", None)]


@pytest.mark.parametrize("stream", [False, True])
def test_the_bytes_are_the_same_in_process_and_on_the_wire(server, stream):
    body = {**QUESTION, "stream": stream}
    with sdk_http.Client(transport=make_transport(conversation())) as client:
        in_process = client.post("http://x/v1/responses", json=body)
    with server.mount(conversation()) as tenant, sdk_http.Client() as client:
        on_the_wire = client.post(f"{tenant.base_url}/responses", json=body)

    assert in_process.content == on_the_wire.content
    carried = {"transfer-encoding", "content-length"}
    assert {k: v for k, v in in_process.headers.items() if k not in carried} == {
        k: v for k, v in on_the_wire.headers.items() if k not in carried
    }


Fault = Callable[[Backend], Any]
CONNECTION = "APIConnectionError"
TIMED_OUT = ("APITimeoutError", "ReadTimeout")
WRAPS_STREAMS = not openai.__version__.startswith("2.")  # 2.x lets a stream's own errors through


def broken(cause: str, wrapper: str = CONNECTION) -> tuple[str, str]:
    return (wrapper if WRAPS_STREAMS else cause, cause)


# name, what is scripted, events that arrive before it, and how it ends: an error with its cause, or quietly
STREAM_FAULTS: list[tuple[str, Fault, int, Any]] = [
    ("no headers", lambda be: be.disconnect(), 0, (CONNECTION, "RemoteProtocolError")),
    ("no headers, reset", lambda be: be.disconnect(kind="reset"), 0, (CONNECTION, "ReadError")),
    ("no headers, silence", lambda be: be.stall(), 0, TIMED_OUT),
    ("FIN", lambda be: be.disconnect(after=3), 3, broken("RemoteProtocolError")),
    ("RST", lambda be: be.disconnect(after=3, kind="reset"), 3, broken("ReadError")),
    ("silence", lambda be: be.stall(after=3), 3, broken("ReadTimeout", "APITimeoutError")),
    ("clean end", lambda be: be.truncate(after=3), 3, None),
    ("half a line", lambda be: be.cut_line(after=3), 3, None),
    ("broken JSON", lambda be: be.malformed(after=3), 3, ("JSONDecodeError", None)),
    ("flat error", lambda be: be.error_event(after=3), 4, None),
    ("nested error", lambda be: be.error_event(after=3, shape="nested"), 3, ("APIError", None)),
    ("bare error", lambda be: be.error_event(after=3, shape="bare"), 3, ("APIError", None)),
    ("lost event", lambda be: be.drop_event(after=3), 9, None),
    ("doubled event", lambda be: be.duplicate_event(after=3), 11, None),
    ("swapped events", lambda be: be.swap_events(after=3), 10, None),
    ("429", lambda be: be.fail(429), 0, ("RateLimitError", None)),
    ("503", lambda be: be.fail(503), 0, ("InternalServerError", None)),
    ("too long", lambda be: be.fail("context_length_exceeded"), 0, ("BadRequestError", None)),
]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(
    ("script", "arrived", "ending"),
    [pytest.param(*row, id=name) for name, *row in STREAM_FAULTS],
)
def test_a_fault_ends_the_same_on_every_carrier(carrier, reach, script: Fault, arrived, ending):
    backend = Backend()
    script(backend)
    backend.reply("One two.")

    silent = ending is not None and "ReadTimeout" in ending
    patience = 0.25 if silent else 10.0
    seen = reach(carrier, backend, [{**QUESTION, "stream": True}], timeout=patience)

    events = [each for each in seen if isinstance(each, dict)]
    assert len(events) == arrived
    assert seen[arrived:] == ([] if ending is None else [ending])


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_refused_connection_ends_the_same_on_every_carrier(carrier):
    backend = Backend().refuse_connection()
    with ResponsesServer(backend) as gone:
        address = gone.base_url
    transport = (
        None if carrier.socket else make_transport(backend, library=carrier.library.__name__)
    )
    options = {"base_url": address, "api_key": "k", "max_retries": 0}

    if carrier.is_async:
        client = carrier.library.AsyncClient(transport=transport)
        seen = asyncio.run(_ask_async(client, options, [QUESTION]))
    else:
        seen = _ask(carrier.library.Client(transport=transport), options, [QUESTION])

    assert seen == [(CONNECTION, "ConnectError")]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_an_event_is_read_and_a_cancel_answered_before_the_next_event_is_made(carrier, server):
    cancelled = threading.Event()
    script = Backend()
    script.reply("One two.")

    def frames(made: Iterator[Frame]) -> Iterator[Frame]:
        yield next(made)
        for _ in range(500):
            if cancelled.is_set():
                break
            yield Frame(delay=0.01)
        else:
            pytest.fail("the first event did not arrive before the second was due")
        yield from made

    def handle(request: Request) -> Reply:
        if request.path.endswith("/cancel"):
            cancelled.set()
            return Reply.json(200, {})
        reply = script.handle(request)
        assert not isinstance(reply.body, bytes)
        return replace(reply, body=frames(iter(reply.body)))

    with server.mount(SimpleNamespace(handle=handle)) as tenant:
        options = {"base_url": tenant.base_url, "api_key": "k"}
        name = carrier.library.__name__
        handler = server.app.tenants[tenant.name]
        transport = None if carrier.socket else make_transport(handler, library=name)
        if carrier.is_async:
            made = carrier.library.AsyncClient(transport=transport)
            types = asyncio.run(_cancel_async(openai.AsyncOpenAI(http_client=made, **options)))
        else:
            made = carrier.library.Client(transport=transport)
            types = _cancel(openai.OpenAI(http_client=made, **options))

    assert types[0] == "response.created"
    assert types[-1] == "response.completed"


def _cancel(client: openai.OpenAI) -> list[str]:
    with client, client.responses.create(**QUESTION, stream=True) as stream:
        first = next(stream)
        client.responses.cancel("resp_1")
        return [first.type, *(event.type for event in stream)]


async def _cancel_async(client: openai.AsyncOpenAI) -> list[str]:
    async with client, await client.responses.create(**QUESTION, stream=True) as stream:
        first = await anext(stream)
        await client.responses.cancel("resp_1")
        return [first.type, *[event.type async for event in stream]]


def test_many_threads_share_one_backend_without_a_torn_answer():
    backend = Backend(brain=True)
    transport = make_transport(backend)

    def talk(number: int) -> list[str]:
        found: list[str] = []
        previous = None
        with sdk_http.Client(transport=transport) as client:
            for turn in range(20):
                body = {"model": "m", "input": f"{number}.{turn}", "previous_response_id": previous}
                answer = client.post("http://x/v1/responses", json=body).json()
                assert answer["previous_response_id"] == previous
                previous = answer["id"]
                found.append(previous)
        return found

    with ThreadPoolExecutor(8) as pool:
        ids = [each for talked in pool.map(talk, range(8)) for each in talked]

    assert len(set(ids)) == len(ids) == 160
    assert len(backend.requests) == 160
    for request, context in zip(backend.requests, backend.contexts, strict=True):
        speaker = json.loads(request.body)["input"].partition(".")[0]
        spoken = {str(item["content"]) for item in context if item.get("role") == "user"}
        assert {text.partition(".")[0] for text in spoken} == {speaker}
