"""A request written after the pattern of the one before is, byte for byte, the one that the SDK would have written."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import openai
import pytest

from responses_adapters.protocol.http_clients import HTTP_LIBRARY
from responses_adapters.protocol.sdk import AsyncOpenAI, OpenAI

POST: dict[str, Any] = {"cast_to": HTTP_LIBRARY.Response}
HEADERS = {"Accept-Encoding": "identity", "X-Tenant": "a"}


class Server:
    """Remembers what was sent, and sets a cookie if it is given one."""

    def __init__(self, cookie: str | None = None) -> None:
        self.requests: list[Any] = []
        self.headers = {"set-cookie": cookie} if cookie else {}

    def __call__(self, request: Any) -> Any:
        self.requests.append(request)
        return HTTP_LIBRARY.Response(200, json={"id": "resp_1"}, headers=self.headers)

    @property
    def transport(self) -> Any:
        return HTTP_LIBRARY.MockTransport(self)

    @property
    def sent(self) -> list[tuple[Any, ...]]:
        """All that decides what a request is."""
        return [
            (
                each.method,
                str(each.url),
                sorted(each.headers.items()),
                each.content,
                each.extensions,
            )
            for each in self.requests
        ]


def client_of(kind: type[Any], server: Server, **options: Any) -> Any:
    asynchronous = issubclass(kind, openai.AsyncOpenAI)
    library = HTTP_LIBRARY.AsyncClient if asynchronous else HTTP_LIBRARY.Client
    http = library(transport=server.transport)
    return kind(api_key="sk-1", base_url="https://gw.test/v1", http_client=http, **options)


async def ask(client: Any, body: Any, key: str, path: str = "/responses", **options: Any) -> None:
    options = {"headers": {**HEADERS, "Idempotency-Key": key}, "idempotency_key": key, **options}
    answer = client.post(path, body=body, options=options, **POST)
    if isinstance(client, openai.AsyncOpenAI):
        await answer


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the requests that the SDK wrote itself."""
    found: list[str] = []
    for kind in (openai.OpenAI, openai.AsyncOpenAI):
        original: Callable[..., Any] = kind._build_request

        def build(self: Any, options: Any, original: Any = original, **further: Any) -> Any:
            found.append(options.url)
            return original(self, options, **further)

        monkeypatch.setattr(kind, "_build_request", build)
    return found


@pytest.mark.parametrize(
    ("ours", "stock"), [(OpenAI, openai.OpenAI), (AsyncOpenAI, openai.AsyncOpenAI)]
)
@pytest.mark.parametrize("cookie", [None, "seen=yes; Path=/"])
async def test_the_second_request_is_what_the_sdk_would_have_sent(
    ours: Any, stock: Any, cookie: str | None, written: list[str]
) -> None:
    servers = [Server(cookie), Server(cookie)]
    for kind, server in zip((ours, stock), servers, strict=True):
        written.clear()
        client = client_of(kind, server, organization="org-1", default_headers={"X-House": "b"})
        for number, text in enumerate(["one", "zwei ✓", "three"]):
            body = {"model": "m", "input": [{"role": "user", "content": text}]}
            await ask(client, body, f"key-{number}")
        assert len(written) == (1 if kind is ours else 3)
    assert servers[0].sent == servers[1].sent
    assert ("cookie" in dict(servers[0].sent[2][2])) == (cookie is not None)


@pytest.mark.parametrize(
    "other",
    [
        {"timeout": 7.0},
        {"headers": {**HEADERS, "X-Tenant": "b", "Idempotency-Key": "key"}},
        {"params": {"api-version": "2"}},
        {"path": "/responses/compact"},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_a_request_with_other_options_is_written_anew(
    other: dict[str, Any], written: list[str]
) -> None:
    servers = [Server(), Server()]
    for kind, server in zip((AsyncOpenAI, openai.AsyncOpenAI), servers, strict=True):
        client = client_of(kind, server)
        for options in ({}, other, {}):
            await ask(client, {"model": "m"}, "key", **options)
    assert servers[0].sent == servers[1].sent
    assert len(written) == 6


async def test_what_is_not_plain_json_is_left_to_the_sdk(written: list[str]) -> None:
    server = Server()
    client = client_of(AsyncOpenAI, server)
    await ask(client, {"model": "m"}, "key")
    await ask(client, {"model": "m", "at": datetime(2026, 1, 1, tzinfo=UTC)}, "key")
    assert b'"at":"2026-01-01T00:00:00+00:00"' in server.requests[-1].content
    with pytest.raises(ValueError, match="not JSON compliant"):
        await ask(client, {"model": "m", "temperature": math.nan}, "key")
    assert len(written) == 3


async def test_a_repeated_request_fails_as_the_sdk_says() -> None:
    server = Server()
    client = client_of(AsyncOpenAI, server)
    await ask(client, {"model": "m"}, "key")

    def refuse(request: Any) -> Any:
        return HTTP_LIBRARY.Response(404, json={"error": {"message": "gone", "code": "x"}})

    client._client._transport = HTTP_LIBRARY.MockTransport(refuse)
    with pytest.raises(openai.NotFoundError, match="gone"):
        await ask(client, {"model": "m"}, "key", max_retries=0)
