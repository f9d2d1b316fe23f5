"""HTTP clients: those over aiohttp raise what httpx would, so that nothing is sent twice; threads share one."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import multidict
import openai
import pytest
import yarl
from aiohttp.client_reqrep import ConnectionKey

from responses_adapters.protocol.http_clients import (
    HTTP_LIBRARY,
    async_client,
    held_client,
    never_left,
)

URL = yarl.URL("https://a")
CONNECT = aiohttp.RequestInfo(
    URL, "CONNECT", multidict.CIMultiDictProxy(multidict.CIMultiDict()), URL
)
KEY = ConnectionKey("a", 443, True, True, None, None, None)  # of a host that is never asked

CASES: list[tuple[str, BaseException, str, bool]] = [
    ("ConnectTimeout", aiohttp.ServerDisconnectedError(), "ReadError", False),
    ("ConnectTimeout", aiohttp.ClientOSError(104, "reset"), "ReadError", False),
    ("ConnectTimeout", aiohttp.ClientConnectionResetError("reset"), "ReadError", False),
    (
        "ConnectError",
        aiohttp.ClientConnectorError(KEY, OSError(111, "refused")),
        "ConnectError",
        True,
    ),
    ("ProxyError", aiohttp.ClientHttpProxyError(CONNECT, (), status=502), "ProxyError", True),
    ("TimeoutException", aiohttp.ConnectionTimeoutError("late"), "ConnectTimeout", True),
    ("ReadTimeout", aiohttp.SocketTimeoutError("silent"), "ReadTimeout", False),
    ("ReadError", aiohttp.ClientPayloadError("half"), "ReadError", False),
]
IDS = [type(case[1]).__name__ for case in CASES]


class Raising(HTTP_LIBRARY.AsyncBaseTransport):  # type: ignore[misc, name-defined]
    """What the SDK's transport over aiohttp does with an exception of aiohttp."""

    def __init__(self, name: str, cause: BaseException) -> None:
        self._name, self._cause = name, cause

    async def handle_async_request(self, request: Any) -> Any:
        raise getattr(HTTP_LIBRARY, self._name)("no answer") from self._cause


@pytest.mark.parametrize(("named", "cause", "meant", "unsent"), CASES, ids=IDS)
async def test_exceptions_of_aiohttp_are_named_as_httpx_names_them(
    named: str, cause: BaseException, meant: str, unsent: bool
) -> None:
    async with async_client("aiohttp", transport=Raising(named, cause)) as client:
        with pytest.raises(HTTP_LIBRARY.TransportError) as caught:
            await client.post("https://a/v1/responses")
    assert type(caught.value).__name__ == meant


@pytest.mark.parametrize(("named", "cause", "meant", "unsent"), CASES, ids=IDS)
async def test_what_aiohttp_said_decides_whether_a_request_may_be_sent_again(
    named: str, cause: BaseException, meant: str, unsent: bool
) -> None:
    theirs = openai.AsyncOpenAI(
        api_key="k",
        max_retries=0,
        http_client=HTTP_LIBRARY.AsyncClient(transport=Raising(named, cause)),
    )
    with pytest.raises(openai.APIConnectionError) as caught:
        await theirs.responses.create(input="hi")
    await theirs.close()
    assert never_left(caught.value) is unsent


def test_certificates_are_loaded_once_for_the_process() -> None:
    one, other = (async_client(http) for http in ("httpx", "aiohttp"))
    assert one._transport._pool._ssl_context is other._transport.ssl_context


def test_threads_that_begin_at_once_share_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def slowly(**options: Any) -> Any:
        time.sleep(0.05)
        made.append(client := HTTP_LIBRARY.Client())
        return client

    monkeypatch.setattr(openai, "DefaultHttpxClient", slowly)
    with ThreadPoolExecutor(4) as threads:
        held = list(threads.map(held_client, ["one account"] * 4))
    assert len(made) == 1
    assert all(each.client is made[0] for each in held)
