"""Servers as model strings, so that agent code names no client."""

from __future__ import annotations

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIResponsesModel

from responses_adapters import ServerProfile, UnknownServerError
from responses_adapters.pydantic_ai import ResponsesModel, ResponsesServers
from responses_adapters.testing import Backend


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VALAR", "ORQ", "OPENAI"):
        monkeypatch.setenv(f"{name}_API_KEY", f"{name.lower()}-key")


async def test_a_known_server_is_named_in_the_model_string(responses_backend: Backend) -> None:
    responses_backend.reply("Hi.")
    agent = Agent("ollama:qwen3", capabilities=[ResponsesServers(routes={"ollama:*": "ollama:*"})])
    assert (await agent.run("Hello")).output == "Hi."
    assert responses_backend.requests[-1].json["model"] == "qwen3"


async def test_the_key_comes_from_the_server_s_environment(responses_backend: Backend) -> None:
    responses_backend.reply("Hi.")
    agent = Agent("orq:openai/gpt-5", capabilities=[ResponsesServers()])
    await agent.run("Hello")
    request = responses_backend.requests[-1]
    assert request.path == "/v3/router/responses"
    assert request.json["model"] == "openai/gpt-5"
    assert request.headers["authorization"] == "Bearer orq-key"


async def test_a_route_moves_an_agent_to_another_server_untouched(
    responses_backend: Backend,
) -> None:
    responses_backend.reply("Hi.")
    servers = ResponsesServers[None](routes={"openai:*": "orq:openai/*"})
    await Agent("openai:gpt-5", capabilities=[servers]).run("Hello")
    assert responses_backend.requests[-1].path == "/v3/router/responses"
    assert responses_backend.requests[-1].json["model"] == "openai/gpt-5"


async def test_a_server_of_one_s_own_is_named_like_a_known_one(responses_backend: Backend) -> None:
    responses_backend.reply("Hi.")
    house = ServerProfile(name="house", base_url="https://llm.house/v1", needs_key=False)
    servers = ResponsesServers[None](servers={"house": house})
    result = await Agent("house:m", capabilities=[servers]).run("Hello")
    assert result.response.provider_name == "house"


async def test_names_that_pydantic_ai_serves_stay_with_pydantic_ai(
    responses_backend: Backend,
) -> None:
    responses_backend.reply("Hi.")
    agent = Agent("openai-responses:gpt-4.1", capabilities=[ResponsesServers()])
    result = await agent.run("Hello")
    assert result.response.provider_url == "https://api.openai.com/v1/"
    resolved = await ResponsesServers[None]().resolve_model_id(None, model_id="openai:gpt-4.1")  # type: ignore[arg-type]
    assert resolved is None


async def test_one_string_is_one_model_so_that_runs_share_connections() -> None:
    servers = ResponsesServers[None]()
    one = await servers.resolve_model_id(None, model_id="orq:a/b")  # type: ignore[arg-type]
    two = await servers.resolve_model_id(None, model_id="orq:a/b")  # type: ignore[arg-type]
    assert isinstance(one, ResponsesModel)
    assert one is two


async def test_a_route_to_an_unknown_server_is_an_error() -> None:
    servers = ResponsesServers[None](routes={"openai:*": "orqq:*"})
    with pytest.raises(UnknownServerError, match="Did you mean 'orq'"):
        await servers.resolve_model_id(None, model_id="openai:gpt-5")  # type: ignore[arg-type]


async def test_a_model_can_be_swapped_for_one_run(responses_backend: Backend) -> None:
    responses_backend.reply("Hi.")
    agent = Agent(OpenAIResponsesModel("gpt-4.1"))
    with agent.override(model=ResponsesModel("m", base_url="https://gw.test/v1")):
        await agent.run("Hello")
    assert responses_backend.requests[-1].json["model"] == "m"
