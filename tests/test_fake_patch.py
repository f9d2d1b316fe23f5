"""The patched transports: no wiring for the fake, no way out for anything else."""

from __future__ import annotations

import asyncio
import socket
import threading
from importlib import import_module
from types import SimpleNamespace

import httpx
import openai
import pytest
import requests

from responses_adapters.testing.patch import NetworkBlockedError, PatchedTransports, is_loopback
from responses_adapters.testing.server import ResponsesServer
from responses_adapters.testing.transport import sdk_library
from responses_adapters.testing.wire import Reply

sdk_http = import_module(sdk_library())  # httpx2, or httpx under OpenAI 2.x

LIBRARIES = [pytest.param(each, id=each.__name__) for each in dict.fromkeys((sdk_http, httpx))]
ANYWHERE = "https://somewhere.example/v3/router/responses"


def named(name: str) -> SimpleNamespace:
    return SimpleNamespace(handle=lambda request: Reply.json(200, name))


def patched_names() -> list[object]:
    return [
        sdk_http.HTTPTransport.handle_request,
        sdk_http.AsyncHTTPTransport.handle_async_request,
        httpx.HTTPTransport.handle_request,
        httpx.AsyncHTTPTransport.handle_async_request,
        requests.adapters.HTTPAdapter.send,
        socket.socket.connect,
        socket.socket.connect_ex,
        socket.getaddrinfo,
    ]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_client_built_before_meets_the_fake_on_any_host(library):
    client, async_client = library.Client(), library.AsyncClient()

    with PatchedTransports(named("fake")):
        assert client.post(ANYWHERE).json() == "fake"
        assert (await async_client.post(ANYWHERE)).json() == "fake"

    client.close()
    await async_client.aclose()


@pytest.mark.parametrize(
    "path",
    [
        "/v1/responses",
        "/responses/resp_1/cancel",
        "/v1/conversations/conv_1/items",
        "/v1/models",
        "/health",
        "/v1/chat/completions",
    ],
)
def test_every_path_of_the_api_is_served(path):
    with PatchedTransports(named("fake")), sdk_http.Client() as client:
        assert client.get(f"https://api.example{path}").json() == "fake"


@pytest.mark.parametrize("library", LIBRARIES)
def test_any_other_request_is_refused_and_remembered(library):
    with (
        PatchedTransports(named("fake")) as patched,
        library.Client() as client,
        pytest.raises(NetworkBlockedError, match=r"allow_hosts=\['weather\.example'\]"),
    ):
        client.get("https://weather.example/now?key=secret")

    assert patched.blocked == ["GET https://weather.example/now"]


async def test_the_sdk_lets_the_refusal_through_or_carries_it_as_the_cause():
    client = openai.AsyncOpenAI(api_key="k", base_url="https://api.example/v1", max_retries=0)

    with PatchedTransports(named("fake")) as patched:
        with pytest.raises((NetworkBlockedError, openai.APIConnectionError)):
            await client.embeddings.create(model="m", input="text")
        assert patched.blocked == ["POST https://api.example/v1/embeddings"]

    await client.close()


def test_a_socket_to_elsewhere_is_refused():
    with PatchedTransports(named("fake")) as patched:
        with pytest.raises(NetworkBlockedError):
            socket.create_connection(("weather.example", 443))
        with socket.socket() as plain, pytest.raises(NetworkBlockedError):
            plain.connect(("192.0.2.1", 443))
        with pytest.raises(NetworkBlockedError):
            requests.get("https://weather.example/now", timeout=1)

    assert patched.blocked == [
        "A connection to weather.example:443",
        "A connection to 192.0.2.1:443",
        "GET https://weather.example/now",
    ]


async def test_an_asyncio_connection_to_elsewhere_is_refused():
    with PatchedTransports(named("fake")), pytest.raises(NetworkBlockedError):
        await asyncio.open_connection("weather.example", 443)


def test_telemetry_is_dropped_without_a_word():
    with PatchedTransports(named("fake")) as patched, sdk_http.Client() as client:
        traces = client.post("https://api.openai.com/v1/traces/ingest", json={})
        smith = client.post("https://eu.api.smith.langchain.com/runs/multipart", json={})
        logfire = requests.post("https://logfire-us.pydantic.dev/v1/traces", timeout=1)

    assert [traces.status_code, smith.status_code, logfire.status_code] == [202, 202, 202]
    assert patched.blocked == []


@pytest.mark.parametrize("library", LIBRARIES)
async def test_loopback_passes(library):
    with (
        ResponsesServer(named("real")) as server,
        PatchedTransports(named("fake")),
        library.Client() as client,
    ):
        async with library.AsyncClient() as async_client:
            assert client.post(f"{server.base_url}/responses").json() == "real"
            assert (await async_client.post(f"{server.base_url}/responses")).json() == "real"
            assert client.get(f"{server.base_url}/models").json() == "real"
            by_requests = await asyncio.to_thread(requests.get, f"{server.base_url}/models")
            assert by_requests.json() == "real"


def test_a_responses_path_on_a_loopback_port_that_is_not_ours_is_served():
    with PatchedTransports(named("fake")), sdk_http.Client() as client:
        assert client.post("http://localhost:11434/v1/responses").json() == "fake"


def test_an_allowed_host_is_left_alone():
    with (
        PatchedTransports(named("fake"), allow_hosts=["nowhere.invalid"]) as patched,
        sdk_http.Client() as client,
        pytest.raises(sdk_http.ConnectError),
    ):
        client.get("https://nowhere.invalid/now")

    assert patched.blocked == []


def test_everything_is_put_back_also_after_an_error():
    before = patched_names()

    def fail() -> None:
        with PatchedTransports(named("fake")):
            assert not set(patched_names()) & set(before)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert patched_names() == before
    assert "connect" not in vars(socket.socket)


def test_the_inner_of_nested_patches_wins_until_it_is_left():
    with sdk_http.Client() as client, PatchedTransports(named("outer")):
        with PatchedTransports(named("inner")):
            assert client.post(ANYWHERE).json() == "inner"
        assert client.post(ANYWHERE).json() == "outer"


async def test_concurrent_tasks_each_meet_the_backend_they_entered():
    both = asyncio.Barrier(2)

    async def ask(name: str) -> str:
        async with sdk_http.AsyncClient() as client:
            with PatchedTransports(named(name)):
                await both.wait()
                with PatchedTransports(named("passing")):
                    await asyncio.sleep(0)
                answer = (await client.post(ANYWHERE)).json()
                await both.wait()
                return answer

    assert await asyncio.gather(ask("one"), ask("two")) == ["one", "two"]


def test_a_thread_of_the_test_meets_the_fake_too():
    answers = []

    with PatchedTransports(named("fake")), sdk_http.Client() as client:
        thread = threading.Thread(target=lambda: answers.append(client.post(ANYWHERE).json()))
        thread.start()
        thread.join()

    assert answers == ["fake"]


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("localhost", True),
        ("app.localhost", True),
        ("127.0.0.2", True),
        ("::1", True),
        ("0.0.0.0", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
    ],
)
def test_loopback_is_told_by_name_and_address(host, near):
    assert is_loopback(host) is near
