"""Addresses, redirects and proxies: a key goes where it was meant to go, and nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_openai import ChatOpenAI
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.providers.openai import OpenAIProvider

from responses_adapters.endpoints import resolve_endpoint, without_user
from responses_adapters.errors import ConfigurationError, ResponsesAdapterError, UnknownServerError
from responses_adapters.langgraph import ChatResponses, ResponsesNode
from responses_adapters.profiles import find_server, load_profile
from responses_adapters.pydantic_ai import ResponsesModel, ResponsesProvider
from responses_adapters.testing import Backend, Reply, Request, ResponsesServer

KEY = "sk-planted-0123456789"
TYPED = (ResponsesAdapterError, openai.APIError, ModelAPIError)


@pytest.mark.parametrize(
    "base_url",
    [
        "//host/v1",
        "host/v1",
        "file:///etc/passwd",
        "https:///v1",
        "https://[::1/v1",
        "https://host:99999/v1",
        "https://host:port/v1",
        "https://ho\nst/v1",
        "https://host/v1\r\nX-Injected: yes",
        "https://host/v1\x00",
        "https://host /v1",
        "https://ex\u2100mple.test/v1",
        "https://api.openai.com\\@evil.test/v1",
        "https://evil.test\\.api.openai.com/v1",
        "https://api.openai.com@evil.test/v1",
        f"https://user:{KEY}@host/v1",
        f"https://host/v1?key={KEY}",
        f"https://host/v1#{KEY}",
    ],
)
def test_an_odd_address_is_refused_without_repeating_its_secrets(base_url: str) -> None:
    for make in (ChatResponses, ResponsesModel):
        with pytest.raises(ConfigurationError) as caught:
            make("m", base_url=base_url, api_key="k")
        assert KEY not in str(caught.value)
        assert caught.value.__cause__ is None


@given(st.text(max_size=30), st.sampled_from(["", "https://", "http://host", "https://u@h"]))
def test_any_address_is_settled_or_refused(tail: str, head: str) -> None:
    try:
        endpoint = resolve_endpoint(base_url=head + tail, api_key="k")
    except ConfigurationError:
        return
    assert httpx2.URL(endpoint.base_url).host
    assert not httpx2.URL(endpoint.base_url).userinfo


@pytest.mark.parametrize(
    "key", [f"{KEY}\n", f"{KEY}\r\nX-Injected: yes", f"\u2019{KEY}", f" {KEY}"]
)
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    for make in (ChatResponses, ResponsesModel):
        with pytest.raises(ConfigurationError, match="strip it") as caught:
            make("m", base_url="https://host/v1", api_key=key)
        assert KEY not in str(caught.value)


def test_a_header_that_cannot_be_sent_is_not_quoted() -> None:
    with ResponsesServer(Backend(brain=True)) as server:
        model = ChatResponses("m", base_url=server.base_url, default_headers={"X-Key": f"{KEY}\n"})
        with pytest.raises(TYPED, match="is there a line end in the key") as caught:
            model.invoke("Hello")
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY not in str(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("server", ["../../etc/passwd", "openai\nX", "http://evil.test", "*", ""])
def test_a_server_is_a_known_name_and_nothing_else(server: str) -> None:
    with pytest.raises(UnknownServerError) as caught:
        find_server(server)
    assert "\n" not in str(caught.value)


def test_a_profile_file_says_what_is_wrong_and_not_what_it_holds(tmp_path: Any) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f'name = "x"\nkey = "{KEY}')
    with pytest.raises(ConfigurationError) as caught:
        load_profile(file)
    assert KEY not in str(caught.value)


LOOKALIKES = [
    "https://api.openai.com.evil.test/v1",
    "https://evil.test/api.openai.com/v1",
    "https://xapi.openai.com.test/v1",
    "https://evil.test/.openai.azure.com",
    "https://openai.azure.com.evil.test/v1",
    "http://api.openai.com/v1",
    "http://rooms.openai.azure.com/v1",
]


@pytest.mark.parametrize("base_url", LOOKALIKES)
@pytest.mark.parametrize("server", [None, "openai", "azure", "generic"])
def test_a_lookalike_or_a_plain_http_address_gets_no_key_of_the_environment(
    base_url: str, server: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    keys: list[str | None] = []
    with contextlib.suppress(ConfigurationError):  # no key, and the server needs one
        keys.append(resolve_endpoint(server, base_url=base_url).api_key)
    assert not any(keys)


class Redirecting:
    """Sends everybody on to another origin."""

    def __init__(self, status: int, target: str) -> None:
        self._status = status
        self._target = target
        self.requests: list[Request] = []

    def handle(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply.json(self._status, {}, {"location": f"{self._target}/responses"})


Ask = Callable[[str], Awaitable[Any]]


async def _chat(url: str) -> Any:
    return ChatResponses("m", base_url=url, api_key=KEY).invoke("Hello")


async def _achat(url: str) -> Any:
    return await ChatResponses("m", base_url=url, api_key=KEY).ainvoke("Hello")


async def _stream(url: str) -> Any:
    return list(ChatResponses("m", base_url=url, api_key=KEY).stream("Hello"))


async def _eager_http_client(url: str) -> Any:
    with httpx_client(follow_redirects=True) as eager:
        return ChatResponses("m", base_url=url, api_key=KEY, http_client=eager).invoke("Hello")


async def _given_sdk(url: str) -> Any:
    with openai.OpenAI(base_url=url, api_key=KEY) as client:
        return ChatResponses("m", client=client).invoke("Hello")


async def _chat_openai(url: str) -> Any:
    model = ChatOpenAI(model="m", base_url=url, api_key=KEY, use_responses_api=True)  # type: ignore[arg-type]
    return ResponsesNode(model).invoke({"messages": [("user", "Hello")]})


async def _agent(url: str) -> Any:
    return await Agent(ResponsesModel("m", base_url=url, api_key=KEY)).run("Hello")


async def _agent_stream(url: str) -> Any:
    async with Agent(ResponsesModel("m", base_url=url, api_key=KEY)).run_stream("Hello") as result:
        return await result.get_output()


async def _agent_eager_http_client(url: str) -> Any:
    async with httpx2.AsyncClient(follow_redirects=True) as eager:
        model = ResponsesModel("m", base_url=url, api_key=KEY, http_client=eager)
        return await Agent(model).run("Hello")


async def _agent_stock_provider(url: str) -> Any:
    async with httpx2.AsyncClient(follow_redirects=True) as eager:
        provider = OpenAIProvider(base_url=url, api_key=KEY, http_client=eager)
        return await Agent(ResponsesModel("m", provider=provider)).run("Hello")


async def _health(url: str) -> Any:
    async with ResponsesProvider("otari", base_url=url, api_key=KEY) as provider:
        return await provider.health()


def httpx_client(**options: Any) -> Any:
    return openai.DefaultHttpxClient(**options)


ASKS: list[Ask] = [
    _chat,
    _achat,
    _stream,
    _eager_http_client,
    _given_sdk,
    _chat_openai,
    _agent,
    _agent_stream,
    _agent_eager_http_client,
    _agent_stock_provider,
    _health,
]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[Backend, str]]:
    """Another origin, where anybody would get an answer."""
    backend = Backend(brain=True)
    with ResponsesServer(backend) as server:
        yield backend, server.base_url


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.__name__.strip("_"))
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_error_and_nothing_goes_where_it_leads(
    ask: Ask, status: int, elsewhere: tuple[Backend, str]
) -> None:
    backend, url = elsewhere
    redirecting = Redirecting(status, url)
    with ResponsesServer(redirecting) as server, pytest.raises(TYPED):
        await ask(server.base_url)
    assert len(redirecting.requests) == 1
    assert redirecting.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert backend.requests == []


@contextmanager
def proxy(answer: bytes = b"") -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that notes what it is asked for, answers, and hangs up."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    data = b""
                    while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
                        data += more
                    if data:
                        seen.append(data)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize("ask", [_chat, _achat, _agent], ids=lambda ask: ask.__name__.strip("_"))
async def test_a_proxy_of_the_environment_learns_the_host_and_no_key(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy() as (address, seen):
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, address)
        with pytest.raises(TYPED):
            await ask("https://gateway.test/v1")
    assert seen
    for head in seen:
        assert head.startswith(b"CONNECT gateway.test:443 ")
        assert KEY.encode() not in head


@pytest.mark.parametrize("way", ["sync", "httpx", "aiohttp"])
async def test_a_proxy_that_lets_nothing_through_is_asked_again(
    way: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(b"HTTP/1.1 502 Bad Gateway\r\n\r\n") as (address, seen):
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, address)
        http = "httpx" if way == "sync" else way
        model = ChatResponses(
            "m", base_url="https://gateway.test/v1", api_key="k", http=http, max_retries=1
        )
        with pytest.raises(openai.APIConnectionError):
            await (asyncio.to_thread(model.invoke, "hi") if way == "sync" else model.ainvoke("hi"))
    assert len(seen) == 2


@pytest.mark.parametrize("ask", [_chat, _achat, _agent], ids=lambda ask: ask.__name__.strip("_"))
async def test_no_proxy_stands_between_where_the_environment_says_so(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy() as (address, seen), ResponsesServer(Backend(brain=True)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        await ask(server.base_url)
    assert seen == []


async def test_a_foreign_address_without_a_key_gets_none_of_openai(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", f"org-{KEY}")
    monkeypatch.setenv("OPENAI_PROJECT_ID", f"proj-{KEY}")
    backend = Backend(brain=True)
    with ResponsesServer(backend) as server:
        ChatResponses("m", base_url=server.base_url).invoke("Hello")
        await ChatResponses("m", base_url=server.base_url).ainvoke("Hello")
        await Agent(ResponsesModel("m", base_url=server.base_url)).run("Hello")
    assert len(backend.requests) == 3
    assert KEY not in json.dumps([dict(each.headers) for each in backend.requests])


def test_user_names_are_taken_out_of_addresses() -> None:
    assert without_user("https://a:b@host/v1/x@y") == "https://host/v1/x@y"
    assert without_user("https://host/v1/x@y") == "https://host/v1/x@y"


def test_a_password_in_the_address_of_a_given_client_is_in_no_stamp_and_no_error() -> None:
    with ResponsesServer(Backend(brain=True)) as server:
        url = server.base_url.replace("//", f"//user:{KEY}@")
        with openai.OpenAI(base_url=url, api_key="k") as client:
            model = ChatResponses("m", client=client)
            answer = model.invoke("Hello")
            assert KEY not in repr(answer)
            server.app.backend.fail(400)  # type: ignore[union-attr]
            with pytest.raises(openai.BadRequestError) as caught:
                model.invoke("Hello")
            assert KEY not in str(caught.value)
