"""An agent over both HTTP libraries, on a socket: what is seen and what is sent does not depend on which."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import openai
import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import UserError

from responses_adapters import ConfigurationError, MissingExtraError, ServerProfile
from responses_adapters.pydantic_ai import ResponsesModel, ResponsesProvider
from responses_adapters.testing import Backend, ResponsesServer

KINDS = ("httpx", "aiohttp")
PROFILE = ServerProfile(name="house", state="server", echoes_previous_id=True)

SCENARIOS: dict[str, Callable[[Backend], Any]] = {
    "an answer": lambda be: be.reply("Hello there"),
    "a bad key": lambda be: be.fail(401),
    "too many requests, once": lambda be: be.fail(429, retry_after=0.01).reply("Hello"),
    "a connection lost after the request": lambda be: be.disconnect().reply("twice"),
    "a connection reset after the request": lambda be: be.disconnect(kind="reset").reply("twice"),
    "silence": lambda be: be.stall(seconds=2).reply("twice"),
    "a body that breaks off": lambda be: be.reply("Hello there, how are you?").truncate(after=6),
    "a body that is reset": lambda be: be.reply("Hello there").disconnect(after=6, kind="reset"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[ResponsesServer]:
    with ResponsesServer() as running:
        yield running


def model(base_url: str, http: Any) -> ResponsesModel:
    return ResponsesModel("m", server=PROFILE, base_url=base_url, api_key="sk-x", http=http)


async def outcome(
    name: str, http: str, server: ResponsesServer, *, streaming: bool
) -> tuple[str, int]:
    """What the caller gets in the end, and how often the server was asked."""
    backend = Backend()
    SCENARIOS[name](backend)
    with server.mount(backend) as tenant:
        chat = model(tenant.base_url, http)
        agent = Agent(chat, model_settings={"timeout": 0.5 if name == "silence" else 30})
        try:
            if streaming:
                async with agent.run_stream("hi") as result:
                    said = await result.get_output()
            else:
                said = (await agent.run("hi")).output
        except Exception as error:  # noqa: BLE001 - whatever it is, it must be the same
            said = type(error).__name__
    return said, len(backend.creates)


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_an_agent_sees_the_same_whichever_library_sends(
    name: str, streaming: bool, server: ResponsesServer
) -> None:
    httpx, aiohttp = [await outcome(name, http, server, streaming=streaming) for http in KINDS]
    assert aiohttp == httpx
    if "lost" in name or "reset after" in name or name == "silence":
        assert aiohttp[1] == 1


@pytest.mark.parametrize("http", KINDS)
def test_an_agent_works_in_one_event_loop_after_another_and_leaves_nothing_open(
    http: Any, server: ResponsesServer
) -> None:
    backend = Backend()
    backend.on().reply("hello").always()
    with server.mount(backend) as tenant:
        agent = Agent(model(tenant.base_url, http))
        for _ in range(3):
            assert asyncio.run(agent.run("hi")).output == "hello"
        del agent
        gc.collect()  # an open socket would warn


async def test_the_dialect_of_the_server_is_spoken_over_aiohttp_too(
    server: ResponsesServer,
) -> None:
    backend = Backend("orq")
    backend.reply("hello")
    with server.mount(backend) as tenant:
        chat = ResponsesModel(
            "m", server="orq", base_url=tenant.base_url, api_key="k", http="aiohttp"
        )
        assert (await Agent(chat).run("hi")).output == "hello"
    assert backend.requests[-1].json["input"]


def test_without_aiohttp_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    class _MissingAioHttpClient:
        """What the SDK has in its place."""

    monkeypatch.setattr(openai, "DefaultAioHttpClient", _MissingAioHttpClient)
    with pytest.raises(MissingExtraError, match=r"pip install 'responses-adapters\[aiohttp\]'"):
        model("https://a/v1", "aiohttp")


def test_a_client_or_provider_of_yours_already_decides_what_sends() -> None:
    provider = ResponsesProvider(PROFILE, base_url="https://a/v1", api_key="k")
    with pytest.raises(UserError, match="http="):
        ResponsesModel("m", provider=provider, http="aiohttp")
    with pytest.raises(ConfigurationError, match="http="):
        ResponsesProvider(
            PROFILE,
            base_url="https://a/v1",
            api_key="k",
            http="aiohttp",
            http_client=httpx2.AsyncClient(),
        )
