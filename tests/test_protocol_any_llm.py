"""any-llm in process, as a transport: providers that it reaches serve both rooms."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import httpx2
import openai
import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAuthenticationError, ModelHTTPError, ModelRateLimitError

from responses_adapters.protocol.any_llm import any_llm_transport
from responses_adapters.pydantic_ai import ResponsesModel, ResponsesModelSettings
from responses_adapters.testing import Backend

URL = "https://any-llm.invalid/v1"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-any")


def model(name: str = "openai:gpt-4.1", **options: Any) -> ResponsesModel:
    client = httpx2.AsyncClient(transport=any_llm_transport(**options))
    settings = ResponsesModelSettings(max_retries=0)
    return ResponsesModel(name, base_url=URL, http_client=client, settings=settings)


def room_agent(answering: ResponsesModel) -> Agent[None, str]:
    agent: Agent[None, str] = Agent(answering)

    @agent.tool_plain
    def check_room(room: str) -> str:
        return f"{room} is free"

    return agent


@pytest.mark.parametrize("streams", [False, True])
async def test_an_agent_runs_tools_on_a_provider_of_any_llm(
    responses_backend: Backend, streams: bool
) -> None:
    responses_backend.call_tool("check_room", room="Birch")
    responses_backend.reply("Birch is free.")
    agent = room_agent(model())
    if streams:
        async with agent.run_stream("Is Birch free?") as result:
            said = await result.get_output()
    else:
        said = (await agent.run("Is Birch free?")).output
    assert said == "Birch is free."
    assert [item.get("type") for item in responses_backend.contexts[-1]][1:] == [
        "function_call",
        "function_call_output",
    ]
    assert {request.json["model"] for request in responses_backend.requests} == {"gpt-4.1"}
    assert {request.headers["authorization"] for request in responses_backend.requests} == {
        "Bearer sk-any"
    }


async def test_the_langgraph_side_runs_on_a_provider_of_any_llm(responses_backend: Backend) -> None:
    from langchain_openai import ChatOpenAI

    responses_backend.reply("Hi.")
    async with httpx2.AsyncClient(transport=any_llm_transport()) as client:
        chat = ChatOpenAI(
            model="openai:gpt-4.1",
            base_url=URL,
            api_key="k",  # type: ignore[arg-type]
            use_responses_api=True,
            http_async_client=client,
        )
        assert (await chat.ainvoke("Hello")).text == "Hi."


def test_a_synchronous_client_is_answered_too(responses_backend: Backend) -> None:
    responses_backend.reply("Hi.")
    responses_backend.reply("Hi again.")
    with httpx2.Client(transport=any_llm_transport()) as http_client:
        client = openai.OpenAI(base_url=URL, api_key="k", http_client=http_client)
        assert client.responses.create(model="openai:gpt-4.1", input="Go.").output_text == "Hi."
        stream = client.responses.create(model="openai:gpt-4.1", input="Go.", stream=True)
        assert [event.type for event in stream][-1] == "response.completed"


async def test_the_provider_s_errors_keep_their_category(responses_backend: Backend) -> None:
    responses_backend.fail(429, retry_after=0.001)
    with pytest.raises(ModelRateLimitError):
        await Agent(model(max_retries=0)).run("Hello")


async def test_a_missing_key_is_an_authentication_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ModelAuthenticationError, match="key"):
        await Agent(model()).run("Hello")


async def test_m5_a_model_without_a_provider_is_refused_readably() -> None:
    with pytest.raises(ModelHTTPError, match="provider:model"):
        await Agent(model("gpt-4.1")).run("Hello")


async def test_other_endpoints_are_not_there() -> None:
    async with httpx2.AsyncClient(transport=any_llm_transport()) as client:
        assert (await client.get(f"{URL}/models")).status_code == 404


def sync_client(transport: Any) -> openai.OpenAI:
    http_client = httpx2.Client(transport=transport)
    return openai.OpenAI(base_url=URL, api_key="k", http_client=http_client, max_retries=0)


def test_a_synchronous_client_meets_the_same_errors(responses_backend: Backend) -> None:
    responses_backend.fail(503)
    with sync_client(any_llm_transport(max_retries=0)) as client:
        with pytest.raises(openai.InternalServerError):
            client.responses.create(model="openai:gpt-4.1", input="Go.")
        with pytest.raises(openai.NotFoundError, match="no such endpoint"):
            client.models.list()


def test_a_provider_that_cannot_be_reached_is_a_connection_error(
    responses_backend: Backend,
) -> None:
    responses_backend.refuse_connection()
    with (
        sync_client(any_llm_transport(max_retries=0)) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        client.responses.create(model="openai:gpt-4.1", input="Go.")


def test_what_breaks_a_stream_is_its_last_event(responses_backend: Backend) -> None:
    for _ in range(2):
        responses_backend.disconnect(after=2).reply("One two three.")
    with sync_client(any_llm_transport(max_retries=0)) as client:
        stream = client.responses.create(model="openai:gpt-4.1", input="Go.", stream=True)
        with pytest.raises(openai.APIError):
            list(stream)

    async def ask() -> None:
        async with httpx2.AsyncClient(transport=any_llm_transport(max_retries=0)) as http_client:
            client = openai.AsyncOpenAI(base_url=URL, api_key="k", http_client=http_client)
            stream = await client.responses.create(model="openai:gpt-4.1", input="Go.", stream=True)
            with pytest.raises(openai.APIError):
                async for _ in stream:
                    pass

    asyncio.run(ask())


def test_one_transport_serves_one_event_loop_after_another(responses_backend: Backend) -> None:
    transport = any_llm_transport()

    async def ask() -> str:
        http_client = httpx2.AsyncClient(transport=transport)
        client = openai.AsyncOpenAI(base_url=URL, api_key="k", http_client=http_client)
        return (await client.responses.create(model="openai:gpt-4.1", input="Go.")).output_text

    responses_backend.reply("One.")
    responses_backend.reply("Two.")
    assert [asyncio.run(ask()), asyncio.run(ask())] == ["One.", "Two."]
    assert len(transport._providers) == 1


def test_without_any_llm_the_command_is_named() -> None:
    code = """
import sys
sys.modules["any_llm"] = None
from responses_adapters.protocol.any_llm import any_llm_transport
try:
    any_llm_transport()
except ImportError as error:
    print(type(error).__name__, error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("MissingExtraError")
    assert "responses-adapters[any-llm]" in run.stdout
