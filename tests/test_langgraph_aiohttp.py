"""The same calls over both HTTP libraries, on a socket: what is seen and what is sent does not depend on which."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import aclosing
from functools import reduce
from operator import add
from typing import Any

import openai
import pytest

from responses_adapters import AmbiguousSubmitError, ConfigurationError, MissingExtraError
from responses_adapters.langgraph import ChatResponses, ResponsesNode
from responses_adapters.protocol import http_clients
from responses_adapters.protocol.client import AsyncResponsesClient
from responses_adapters.testing import Backend, PatchedTransports, ResponsesServer
from responses_adapters.testing.patch import NetworkBlockedError

KINDS = ("httpx", "aiohttp")


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def streaming(request: Any) -> bool:
    return bool(request.param)


def model(base_url: str, http: str, **options: Any) -> ChatResponses:
    settings = {"server": "openai", "api_key": "sk-x", "max_retries": 1, **options}
    return ChatResponses("m", base_url=base_url, http=http, **settings)


SCENARIOS: dict[str, Callable[[Backend], Any]] = {
    "an answer": lambda be: be.reply("Hello there"),
    "a call": lambda be: be.call_tool("add", a=1, b=2),
    "a bad key": lambda be: be.fail(401),
    "a bad request": lambda be: be.fail(400, "no such thing", code="bad"),
    "too many requests, once": lambda be: be.fail(429, retry_after=0.01).reply("Hello"),
    "an outage": lambda be: be.fail(503, times=9),
    "a connection lost after the request": lambda be: be.disconnect().reply("twice"),
    "a connection reset after the request": lambda be: be.disconnect(kind="reset").reply("twice"),
    "silence": lambda be: be.stall(seconds=2).reply("twice"),
    "a body that breaks off": lambda be: be.reply("Hello there, how are you?").truncate(after=6),
    "a body that is reset": lambda be: be.reply("Hello there").disconnect(after=6, kind="reset"),
    "a malformed event": lambda be: be.reply("Hello there").malformed(after=5),
    "an id that was lost": lambda be: be.fail(404, code="previous_response_not_found").reply("Hi"),
}


async def outcome(name: str, http: str, server: ResponsesServer, *, streaming: bool) -> list[Any]:
    """What the caller gets in the end, and how often the server was asked."""
    backend = Backend()
    SCENARIOS[name](backend)
    with server.mount(backend) as tenant:
        chat = model(tenant.base_url, http, timeout=0.5 if name == "silence" else 30)
        try:
            if streaming:
                answer = reduce(add, [chunk async for chunk in chat.astream("hi")])
            else:
                answer = await chat.ainvoke("hi")
        except Exception as error:  # noqa: BLE001 - whatever it is, it must be the same
            return [type(error).__name__, len(backend.creates)]
    return [answer.text, answer.tool_calls, answer.usage_metadata, len(backend.creates)]


@pytest.fixture(scope="module")
def server() -> Iterator[ResponsesServer]:
    with ResponsesServer() as running:
        yield running


@pytest.mark.parametrize("name", SCENARIOS)
async def test_callers_see_the_same_whichever_library_sends(
    name: str, streaming: bool, server: ResponsesServer
) -> None:
    httpx, aiohttp = [await outcome(name, http, server, streaming=streaming) for http in KINDS]
    assert aiohttp == httpx


async def test_nothing_is_paid_twice_when_a_connection_is_lost(server: ResponsesServer) -> None:
    backend = Backend()
    backend.disconnect().reply("twice")
    with server.mount(backend) as tenant, pytest.raises(AmbiguousSubmitError):
        await model(tenant.base_url, "aiohttp").ainvoke("hi")
    assert len(backend.creates) == 1


@pytest.mark.parametrize("http", KINDS)
async def test_a_refused_connection_is_tried_again(http: Any, monkeypatch: Any) -> None:
    waits: list[float] = []

    async def wait(_: Any, seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(AsyncResponsesClient, "_sleep", wait)
    with pytest.raises(openai.APIConnectionError):
        await model("http://127.0.0.1:9/v1", http, max_retries=2).ainvoke("hi")
    assert len(waits) == 2


@pytest.mark.parametrize("http", KINDS)
async def test_leaving_a_stream_early_leaves_a_client_that_works(
    http: Any, server: ResponsesServer
) -> None:
    backend = Backend()
    backend.reply("one two three four")
    backend.reply("again")
    with server.mount(backend) as tenant:
        chat = model(tenant.base_url, http)
        async with aclosing(chat.astream("hi")) as chunks:
            async for _ in chunks:
                break
        assert (await chat.ainvoke("hi")).text == "again"


@pytest.mark.parametrize("http", KINDS)
async def test_a_cancelled_call_leaves_a_client_that_works(
    http: Any, server: ResponsesServer
) -> None:
    backend = Backend()
    backend.stall(seconds=5).reply("again")
    with server.mount(backend) as tenant:
        chat = model(tenant.base_url, http)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(chat.ainvoke("hi"), 0.2)
        assert (await chat.ainvoke("hi")).text == "again"


@pytest.mark.parametrize("http", KINDS)
def test_a_model_works_in_one_event_loop_after_another_and_leaves_nothing_open(
    http: Any, server: ResponsesServer
) -> None:
    backend = Backend()
    backend.on().reply("hello").always()
    with server.mount(backend) as tenant:
        chat = model(tenant.base_url, http)
        for _ in range(3):
            assert asyncio.run(chat.ainvoke("hi")).text == "hello"
        assert not http_clients._guards
        del chat
        gc.collect()  # an open socket would warn


@pytest.mark.parametrize("http", KINDS)
async def test_models_of_one_account_share_their_connections_until_the_last_is_gone(
    http: Any, server: ResponsesServer
) -> None:
    backend = Backend()
    backend.on().reply("hello").always()
    with server.mount(backend) as tenant:
        models = [model(tenant.base_url, http) for _ in range(3)]
        other = model(tenant.base_url, http, api_key="sk-other")
        for chat in (*models, other):
            await chat.ainvoke("hi")
        clients = {id(chat._connection.async_sdk()._client) for chat in models}
        assert len(clients) == 1
        assert id(other._connection.async_sdk()._client) not in clients
        assert len(http_clients._guards) == 2
        client = other._connection.async_sdk()._client
        del chat, other
        gc.collect()
        await asyncio.sleep(0.01)
        assert client.is_closed
        assert len(http_clients._guards) == 1


def test_synchronous_models_of_one_account_share_their_connections() -> None:
    one, other = model("https://a/v1", "httpx"), model("https://a/v1", "httpx")
    client = one._connection.sdk()._client
    assert other._connection.sdk()._client is client
    del one, other
    gc.collect()
    assert client.is_closed


async def test_the_fake_answers_without_wiring_and_keeps_strangers_out() -> None:
    backend = Backend()
    backend.reply("hello")
    node = ResponsesNode("m", server="openai", api_key="sk-x", http="aiohttp")
    with PatchedTransports(backend) as patched:
        state = await node.ainvoke({"messages": [("user", "hi")]})
        assert state["messages"][-1].text == "hello"
        async with openai.DefaultAioHttpClient() as client:
            with pytest.raises(NetworkBlockedError):
                await client.get("https://example.com/elsewhere")
    assert patched.blocked == ["GET https://example.com/elsewhere"]


def test_without_aiohttp_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    class _MissingAioHttpClient:
        """What the SDK has in its place."""

    monkeypatch.setattr(openai, "DefaultAioHttpClient", _MissingAioHttpClient)
    with pytest.raises(MissingExtraError, match=r"pip install 'responses-adapters\[aiohttp\]'"):
        model("https://a/v1", "aiohttp")


def test_there_is_no_third_way_to_send() -> None:
    with pytest.raises(ConfigurationError, match=r'"httpx" \(the default\) or "aiohttp"'):
        http_clients.check_http("curl")
    with pytest.raises(ValueError, match="'httpx' or 'aiohttp'"):
        model("https://a/v1", "curl")


def test_a_client_of_yours_already_decides_what_sends() -> None:
    with pytest.raises(ConfigurationError, match="http="):
        ChatResponses("m", async_client=openai.AsyncOpenAI(api_key="sk-x"), http="aiohttp")
    with pytest.raises(ConfigurationError, match="http="):
        model("https://a/v1", "aiohttp", http_async_client=object())


async def test_a_synchronous_client_may_stand_beside_aiohttp(responses_backend: Backend) -> None:
    responses_backend.reply("hi")
    http_client = openai.DefaultHttpxClient()
    chat = model("https://gw.test/v1", "aiohttp", http_client=http_client)
    assert (await chat.ainvoke("hi")).text == "hi"
