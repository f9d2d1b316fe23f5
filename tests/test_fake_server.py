"""The fake on a loopback socket: addresses, isolation, faults on the wire, a quick and clean end."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from responses_adapters import ConfigurationError, MissingExtraError
from responses_adapters.testing import Backend
from responses_adapters.testing.asgi import FakeApp
from responses_adapters.testing.server import ResponsesServer, serving_ports
from responses_adapters.testing.transport import sdk_library
from responses_adapters.testing.wire import Fault, Frame, Reply, Request

sdk_http = import_module(sdk_library())  # httpx2, or httpx under OpenAI 2.x

EVENTS = {"content-type": "text/event-stream"}


def echo(request: Request) -> Reply:
    seen = [request.method, request.path, dict(request.query), request.body.decode()]
    return Reply.json(200, seen, {"x-request-id": "req_1"})


def streaming(*frames: Frame) -> SimpleNamespace:
    return SimpleNamespace(handle=lambda request: Reply(200, EVENTS, iter(frames)))


@pytest.fixture(scope="module")
def server() -> Iterator[ResponsesServer]:
    with ResponsesServer() as running:
        yield running


@pytest.fixture
def client() -> Iterator[Any]:
    with sdk_http.Client(timeout=5) as made:
        yield made


def test_a_request_reaches_the_backend_whole(server, client):
    with server.mount(SimpleNamespace(handle=echo)) as tenant:
        answer = client.post(f"{tenant.base_url}/responses?a=1&b=", content=b"{}")

    assert answer.json() == ["POST", "/v1/responses", {"a": "1", "b": ""}, "{}"]
    assert answer.headers["x-request-id"] == "req_1"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert "date" not in answer.headers


def test_tenants_of_one_server_do_not_meet(server, client):
    first = SimpleNamespace(handle=lambda request: Reply.json(200, "first"))
    second = SimpleNamespace(handle=lambda request: Reply.json(200, "second"))

    with server.mount(first) as one, server.mount(second) as two:
        assert client.get(f"{one.base_url}/models").json() == "first"
        assert client.get(f"{two.base_url}/models").json() == "second"


def test_a_tenant_that_left_is_not_found(server, client):
    with server.mount(SimpleNamespace(handle=echo)) as tenant:
        address = tenant.base_url

    answer = client.get(f"{address}/models")

    assert answer.status_code == 404
    assert "No backend is mounted" in answer.json()["error"]["message"]


def test_the_environment_leads_an_unchanged_program_to_the_server(server):
    valar = SimpleNamespace(handle=echo, behaviour=SimpleNamespace(name="valar"))

    with server.mount(valar) as tenant:
        assert tenant.env == {
            "OPENAI_API_KEY": "fake-key",
            "OPENAI_BASE_URL": tenant.base_url,
            "VALAR_API_KEY": "fake-key",
            "VALAR_BASE_URL": tenant.base_url,
        }


def test_a_server_is_there_as_soon_as_it_is_entered_and_gone_when_left(client):
    with ResponsesServer(SimpleNamespace(handle=echo)) as server:
        assert server.base_url == f"http://127.0.0.1:{server.port}/v1"
        assert client.get(f"{server.base_url}/models").status_code == 200
        assert server.port in serving_ports()

    assert server.port not in serving_ports()
    with pytest.raises(sdk_http.ConnectError):
        client.get(f"{server.base_url}/models")


def test_a_callback_that_raises_is_an_answer_that_says_so(server, client):
    backend = Backend()
    backend.on(predicate=lambda context: 1 / 0).reply("never")

    with server.mount(backend) as tenant:
        answer = client.post(f"{tenant.base_url}/responses", json={"model": "m", "input": "Hi"})

    assert answer.status_code == 500
    assert "ZeroDivisionError" in answer.json()["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"


def test_a_server_ends_although_a_client_still_reads():
    with ResponsesServer(streaming(Frame(b"one"), Frame(fault="stall"))) as server:
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(b"GET /v1/responses/r HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(100)
        begun = time.monotonic()

    connection.close()
    assert time.monotonic() - begun < 10


def test_small_writes_are_not_held_back(server):
    held_back = []

    def look(request: Request) -> Reply:
        assert server._server is not None
        for connection in server._server.server_state.connections:
            accepted = connection.transport.get_extra_info("socket")
            held_back.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0)
        return Reply.json(200, {})

    with server.mount(SimpleNamespace(handle=look)) as tenant, sdk_http.Client() as client:
        client.get(f"{tenant.base_url}/models")

    assert set(held_back) == {False}


def test_a_port_that_is_taken_is_an_error_at_once(server):
    with (
        pytest.raises(ConfigurationError, match="in use; port 0 takes a free one"),
        ResponsesServer(SimpleNamespace(handle=echo), port=server.port),
    ):
        pass


def test_without_uvicorn_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)

    with (
        pytest.raises(MissingExtraError, match=r"responses-adapters\[testing\]"),
        ResponsesServer(),
    ):
        pass


def test_frames_leave_one_by_one(server, client):
    backend = streaming(Frame(b"one"), Frame(b"two", delay=0.3))

    with server.mount(backend) as tenant, client.stream("POST", f"{tenant.base_url}/r") as answer:
        body = answer.iter_raw()
        assert next(body) == b"one"
        begun = time.monotonic()
        assert next(body) == b"two"
        assert time.monotonic() - begun > 0.2


def test_a_stall_on_the_wire_ends_after_its_time(server, client):
    backend = streaming(Frame(b"one"), Frame(delay=0.01, fault="stall"), Frame(b"two"))

    with server.mount(backend) as tenant:
        assert client.post(f"{tenant.base_url}/responses").content == b"onetwo"


def test_a_second_request_is_answered_while_a_stream_is_open(server, client):
    released = threading.Event()

    def frames() -> Iterator[Frame]:
        yield Frame(b"one")
        while not released.is_set():
            yield Frame(delay=0.01)
        yield Frame(b"two")

    def answer(request: Request) -> Reply:
        if request.path.endswith("/cancel"):
            released.set()
            return Reply.json(200, {})
        return Reply(200, EVENTS, frames())

    with (
        server.mount(SimpleNamespace(handle=answer)) as tenant,
        client.stream("POST", f"{tenant.base_url}/responses") as stream,
    ):
        body = stream.iter_raw()
        assert next(body) == b"one"
        client.post(f"{tenant.base_url}/responses/resp_1/cancel")
        assert next(body) == b"two"


def test_a_client_that_leaves_closes_the_frames(server, client):
    closed = threading.Event()

    def frames() -> Iterator[Frame]:
        try:
            while True:
                yield Frame(b"more", delay=0.01)
        finally:
            closed.set()

    backend = SimpleNamespace(handle=lambda request: Reply(200, EVENTS, frames()))
    with server.mount(backend) as tenant:
        with client.stream("POST", f"{tenant.base_url}/responses") as answer:
            next(answer.iter_raw())
        assert closed.wait(5)


def test_a_backend_learns_that_its_client_left(server, client):
    backend = Backend()
    backend.pace(between=0.02).reply("one two three four five six seven eight nine ten")

    with server.mount(backend) as tenant:
        body = {"model": "m", "input": "Hi", "stream": True}
        with client.stream("POST", f"{tenant.base_url}/responses", json=body) as answer:
            next(answer.iter_raw())
        deadline = time.monotonic() + 5
        while not backend.requests[-1].disconnected and time.monotonic() < deadline:
            time.sleep(0.01)

    assert backend.requests[-1].disconnected


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("disconnect", sdk_http.RemoteProtocolError),
        ("refuse", sdk_http.RemoteProtocolError),
        ("reset", sdk_http.ReadError),
        ("stall", sdk_http.ReadTimeout),
    ],
)
def test_faults_happen_on_the_wire_before_and_inside_a_reply(server, client, fault: Fault, error):
    silent = SimpleNamespace(handle=lambda request: Reply(200, {}, b"", fault=fault))
    with server.mount(silent) as tenant, pytest.raises(error):
        client.post(f"{tenant.base_url}/responses", timeout=0.2)

    cut = streaming(Frame(b"one"), Frame(fault=fault))
    with (
        server.mount(cut) as tenant,
        client.stream("POST", f"{tenant.base_url}/responses", timeout=0.2) as answer,
    ):
        body = answer.iter_raw()
        assert next(body) == b"one"
        with pytest.raises(error):
            next(body)


async def test_the_application_answers_the_lifespan_protocol():
    sent = []
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive():
        return next(messages)

    async def send(message):
        sent.append(message["type"])

    await FakeApp()({"type": "lifespan"}, receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_server_that_cannot_break_connections_sees_the_application_break():
    app = FakeApp(SimpleNamespace(handle=lambda request: Reply(200, {}, b"", fault="reset")))
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/responses",
        "query_string": b"",
        "headers": [],
    }
    received = 0

    async def receive():
        nonlocal received
        received += 1
        if received > 1:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"{}"}

    async def send(message):
        raise AssertionError("nothing may be sent")

    with pytest.raises(Exception, match="scripted fault: reset"):
        await app(scope, receive, send)


TURN = {"type": "response.create", "model": "m", "store": False}


def exchange_messages(connection: ClientConnection, **body: object) -> list[dict[str, object]]:
    """Send one turn and read up to its terminal event or error."""
    connection.send(json.dumps({**TURN, **body}))
    seen: list[dict[str, object]] = []
    while not seen or seen[-1]["type"] not in {"response.completed", "error"}:
        seen.append(json.loads(connection.recv(timeout=5)))
    return seen


def test_a_websocket_keeps_its_newest_response_across_turns(server):
    backend = Backend()
    backend.reply("One.")
    backend.reply("Two.")
    with server.mount(backend) as tenant:
        url = f"{tenant.base_url.replace('http', 'ws', 1)}/responses"
        with connect(url, additional_headers={"authorization": "Bearer k"}) as connection:
            first = exchange_messages(connection, input="a")
            response_id = first[-1]["response"]["id"]
            second = exchange_messages(connection, input="b", previous_response_id=response_id)
        with connect(url) as connection:
            lost = exchange_messages(connection, input="c", previous_response_id=response_id)

    assert first[0]["type"] == "response.created"
    assert second[-1]["response"]["previous_response_id"] == response_id
    assert backend.contexts[-1].texts == ["a", "One.", "b"]
    assert lost[-1]["error"]["code"] == "previous_response_not_found"
    assert backend.requests[0].headers["authorization"] == "Bearer k"


async def test_the_sdk_speaks_over_a_websocket(server):
    backend = Backend()
    backend.reply("Hello there.")
    with server.mount(backend) as tenant:
        client = openai.AsyncOpenAI(base_url=tenant.base_url, api_key="k")
        async with client, client.responses.connect() as connection:
            await connection.response.create(model="m", input="Hi")
            types = []
            async for event in connection:
                types.append(event.type)
                if event.type == "response.completed":
                    break

    assert types[0] == "response.created"


def test_bytes_that_are_no_text_are_an_error_and_the_websocket_goes_on(server):
    backend = Backend()
    backend.reply("One.")
    with server.mount(backend) as tenant:
        url = f"{tenant.base_url.replace('http', 'ws', 1)}/responses"
        with connect(url) as connection:
            connection.send(b"\xff")
            assert json.loads(connection.recv(timeout=5))["type"] == "error"
            assert exchange_messages(connection, input="a")[-1]["type"] == "response.completed"


@pytest.mark.parametrize("path", ["/v1/conversations", "/elsewhere"])
def test_a_websocket_to_any_other_path_is_refused(server, path):
    with server.mount(Backend()) as tenant:
        root = tenant.base_url.removesuffix("/v1").replace("http", "ws", 1)
        with pytest.raises(InvalidStatus, match="403"), connect(root + path):
            pass
