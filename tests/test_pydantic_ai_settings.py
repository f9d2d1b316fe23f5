"""Settings of a request: what they become on the wire, and what each server refuses beforehand."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, get_type_hints

import httpx2
import pytest
from openai.types.responses import response_create_params as create_params
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError, UserError
from pydantic_ai.models.openrouter import OpenRouterModelSettings

from responses_adapters import ChainLostError, UnsupportedByServerError
from responses_adapters.pydantic_ai import ResponsesModel, ResponsesModelSettings, ResponsesProvider
from responses_adapters.testing import Backend
from responses_adapters.testing.transport import make_transport


def on(server: str, **settings: Any) -> ResponsesModel:
    return ResponsesModel(
        "m",
        server=server,
        base_url="https://fake.test/v1",
        api_key="k",
        settings=ResponsesModelSettings(**settings),
    )


def on_fake(backend: Backend, **settings: Any) -> ResponsesModel:
    return ResponsesModel(
        "m",
        server=backend.behaviour.name,
        base_url="https://fake.test/v1",
        api_key="k",
        http_client=httpx2.AsyncClient(transport=make_transport(backend)),
        settings=ResponsesModelSettings(**settings),
    )


@pytest.mark.parametrize(
    ("server", "setting", "value", "sent"),
    [
        ("openai", "responses_metadata", {"room": "Birch"}, {"metadata": {"room": "Birch"}}),
        (
            "openai",
            "responses_metadata",
            {"seats": 4, "vip": True},
            {"metadata": {"seats": "4", "vip": "true"}},
        ),
        (
            "valar",
            "responses_completion_window",
            "asap",
            {"metadata": {"completion_window": "asap"}},
        ),
        ("openai", "responses_max_tool_calls", 3, {"max_tool_calls": 3}),
        ("openai", "responses_prompt", {"id": "pmpt_1"}, {"prompt": {"id": "pmpt_1"}}),
        ("orq", "responses_variables", {"city": "Oslo"}, {"variables": {"city": "Oslo"}}),
        ("orq", "responses_memory", {"entity_id": "u7"}, {"memory": {"entity_id": "u7"}}),
        ("orq", "responses_thread", {"id": "t1"}, {"thread": {"id": "t1"}}),
        ("orq", "responses_identity", {"id": "u7"}, {"identity": {"id": "u7"}}),
        ("openai", "responses_safety_identifier", "h4sh", {"safety_identifier": "h4sh"}),
        ("aleph-alpha", "responses_stop", ["END"], {"stop": ["END"]}),
        ("openai", "responses_presence_penalty", 0.5, {"presence_penalty": 0.5}),
        ("openai", "responses_frequency_penalty", 0.5, {"frequency_penalty": 0.5}),
        (
            "openai",
            "responses_stream_options",
            {"include_obfuscation": False},
            {"stream_options": {"include_obfuscation": False}},
        ),
    ],
)
async def test_a_parameter_without_an_upstream_setting_has_one_here(
    server: str, setting: str, value: Any, sent: dict[str, Any]
) -> None:
    backend = Backend(server).configure(unknown_parameters="ignored")
    backend.reply("Hi.")
    await Agent(on_fake(backend, **{setting: value})).run("Hello")
    assert {key: backend.requests[-1].json.get(key) for key in sent} == sent


PARAMETERS: dict[str, dict[str, Any]] = {
    "access_programs": {"responses_access_programs": {"biology": "p1"}},
    "background": {"openai_background": True},
    "background_options": {"responses_background_options": {"continuation_id": "c1"}},
    "context_management": {"openai_context_management": [{"type": "compaction"}]},
    "conversation": {"openai_conversation_id": "conv_1"},
    "image": {"responses_image": {"detail": "low"}},
    "include": {"responses_include": ["computer_call_output.output.image_url"]},
    "max_output_tokens": {"max_tokens": 64},
    "max_tool_calls": {"responses_max_tool_calls": 3},
    "metadata": {"responses_metadata": {"room": "Birch"}},
    "moderation": {"openai_moderation": {"mode": "on"}},
    "parallel_tool_calls": {"parallel_tool_calls": False},
    "previous_response_id": {"openai_previous_response_id": "resp_1"},
    "prompt": {"responses_prompt": {"id": "pmpt_1"}},
    "prompt_cache_key": {"openai_prompt_cache_key": "rooms"},
    "prompt_cache_options": {"openai_prompt_cache_options": {"ttl": "30m"}},
    "prompt_cache_retention": {"openai_prompt_cache_retention": "24h"},
    "reasoning": {"openai_reasoning_effort": "low", "openai_reasoning_summary": "auto"},
    "safety_identifier": {"responses_safety_identifier": "h4sh"},
    "service_tier": {"openai_service_tier": "flex"},
    "store": {"openai_store": True},
    "stream_options": {"responses_stream_options": {"include_obfuscation": False}},
    "temperature": {"temperature": 0.5},
    "text": {"openai_text_verbosity": "low"},
    "tool_choice": {"tool_choice": "none"},
    "top_logprobs": {"openai_top_logprobs": 2},
    "top_p": {"top_p": 0.5},
    "truncation": {"openai_truncation": "auto"},
    "user": {"openai_user": "u7"},
}
"""A setting for each parameter of a create request."""

NO_SETTING = {
    "input": "the prompt and the message history",
    "instructions": "of the agent",
    "model": "the name of the model",
    "stream": "run or run_stream",
    "tools": "of the agent",
}
"""What the agent says itself."""


def test_every_parameter_of_a_create_request_has_a_setting() -> None:
    parameters = {
        name
        for params in (
            create_params.ResponseCreateParamsNonStreaming,
            create_params.ResponseCreateParamsStreaming,
        )
        for name in params.__annotations__
    } | set(create_params.ResponseCreateParamsBase.__annotations__)
    known = PARAMETERS.keys() | NO_SETTING.keys()
    assert parameters <= known
    settings = get_type_hints(ResponsesModelSettings)
    assert {name for given in PARAMETERS.values() for name in given} <= settings.keys()


@pytest.mark.parametrize("parameter", PARAMETERS)
async def test_the_setting_of_a_parameter_is_sent(parameter: str) -> None:
    backend = Backend("openai").configure(unknown_parameters="ignored", strict_form=False)
    backend.reply("Hi.")
    agent = Agent(on_fake(backend, responses_poll_interval=0.0, **PARAMETERS[parameter]))

    @agent.tool_plain
    def check_room() -> str:
        return "free"

    with suppress(
        ModelAPIError, ChainLostError
    ):  # what it names is not there; it was sent, all the same
        await agent.run("Hello")
    assert backend.requests[0].json[parameter] is not None


@pytest.mark.parametrize("settings", [{}, {"openai_include_web_search_sources": True}])
async def test_what_is_to_be_included_is_added_to_what_upstream_includes(
    settings: dict[str, Any],
) -> None:
    backend = Backend("openai")
    wanted = ["message.output_text.logprobs", "computer_call_output.output.image_url"]
    backend.reply("Hi.")
    model = on_fake(backend, responses_include=wanted, **settings)
    sealing = {"openai_supports_encrypted_reasoning_content": True}
    model = ResponsesModel("m", provider=model._provider, profile=sealing, settings=model.settings)  # type: ignore[arg-type]
    await Agent(model).run("Hello")
    sources = ["web_search_call.action.sources"] if settings else []
    sent = backend.requests[-1].json["include"]
    assert sorted(sent) == sorted(["reasoning.encrypted_content", *wanted, *sources])


async def test_an_explicit_extra_body_wins(responses_backend: Backend) -> None:
    responses_backend.reply("Hi.")
    settings = {"responses_max_tool_calls": 3, "extra_body": {"max_tool_calls": 5}}
    await Agent(on("ollama", **settings)).run("Hello")
    assert responses_backend.requests[-1].json["max_tool_calls"] == 5


@pytest.mark.parametrize(
    ("server", "settings", "advice"),
    [
        ("valar", {"openai_previous_response_id": "resp_1"}, "message_history="),
        ("valar", {"openai_conversation_id": "conv_1"}, "message_history="),
        ("valar", {"parallel_tool_calls": False}, "leave it out"),
        ("valar", {"responses_prompt": {"id": "p"}}, "instructions="),
        ("valar", {"openai_store": False}, "stores every response"),
        ("valar", {"responses_completion_window": "flex"}, "openai_background=True"),
        ("ollama", {"openai_background": True}, "wait for the answer"),
        ("orq", {"openai_transport": "websocket"}, "HTTP only"),
    ],
)
async def test_what_a_server_refuses_is_refused_here_with_the_alternative(
    server: str, settings: dict[str, Any], advice: str
) -> None:
    with pytest.raises(UserError, match=advice) as caught:
        await Agent(on(server, **settings)).run("Hello")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("openai_trunkation", "openai_truncation"),
        ("opnai_truncation", "openai_truncation"),
        ("response_metadata", "responses_metadata"),
        ("responses_anything", None),
        ("temprature", "temperature"),
        ("max_token", "max_tokens"),
        ("paralel_tool_calls", "parallel_tool_calls"),
    ],
)
async def test_a_misspelt_setting_is_refused_with_the_one_that_was_meant(
    name: str, meant: str | None
) -> None:
    settings: Any = {name: 1}
    with pytest.raises(UserError, match=f"{name!r} is not a setting") as caught:
        await Agent(on("ollama")).run("Hello", model_settings=settings)
    assert ("Did you mean" in str(caught.value)) == (meant is not None)
    assert meant is None or meant in str(caught.value)


async def test_the_settings_of_other_providers_pass(responses_backend: Backend) -> None:
    others = [
        *("xai_include_code_execution_output", "xai_previous_response_id", "xai_reasoning_effort"),
        *("xai_top_logprobs", "google_service_tier", "anthropic_service_tier", "groq_user"),
        *(name for name in get_type_hints(OpenRouterModelSettings) if "openrouter" in name),
    ]
    responses_backend.reply("Hi.")
    settings: Any = dict.fromkeys(others)
    assert (await Agent(on("ollama")).run("Hello", model_settings=settings)).output == "Hi."


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("responses_chaining", "'auto', 'always' or 'never'"),
        ("responses_on_lost_state", "'replay' or 'raise'"),
        ("responses_on_unmapped", "'keep' or 'raise'"),
    ],
)
async def test_a_choice_that_is_none_is_refused_with_those_there_are(
    name: str, choices: str
) -> None:
    with pytest.raises(UserError, match=f"{name}='nevr': use {choices}$"):
        await Agent(on("ollama", **{name: "nevr"})).run("Hello")


async def test_each_new_request_has_an_idempotency_key_of_its_own(
    responses_backend: Backend,
) -> None:
    for _ in range(2):
        responses_backend.reply("Hi.")
        await Agent(on("ollama")).run("Hello")
    keys = [request.headers["idempotency-key"] for request in responses_backend.requests]
    assert len(set(keys)) == 2


async def test_retries_of_one_request_share_its_idempotency_key(responses_backend: Backend) -> None:
    responses_backend.fail(503, times=2, retry_after=0.001)
    responses_backend.reply("Hi.")
    await Agent(on("ollama", max_retries=2)).run("Hello")
    keys = [request.headers["idempotency-key"] for request in responses_backend.requests]
    assert len(keys) == 3
    assert len(set(keys)) == 1


async def test_the_idempotency_key_can_be_left_out_or_chosen(responses_backend: Backend) -> None:
    for settings, key in (
        ({"responses_idempotency": False}, None),
        ({"extra_headers": {"Idempotency-Key": "mine"}}, "mine"),
    ):
        responses_backend.reply("Hi.")
        await Agent(on("ollama", **settings)).run("Hello")
        assert responses_backend.requests[-1].headers.get("idempotency-key") == key


async def test_secret_variables_reach_the_server_and_nothing_else() -> None:
    backend = Backend("orq").configure(unknown_parameters="ignored")
    backend.reply("Hi.")
    provider = ResponsesProvider(
        "orq",
        base_url="https://fake.test/v1",
        api_key="k",
        http_client=httpx2.AsyncClient(transport=make_transport(backend)),
        variables=lambda: {"token": "s3cret"},
    )
    settings = ResponsesModelSettings(responses_variables={"city": "Oslo"})
    model = ResponsesModel("m", provider=provider, settings=settings)
    result = await Agent(model).run("Hello")
    assert backend.requests[-1].json["variables"] == {"city": "Oslo", "token": "s3cret"}
    assert b"s3cret" not in result.all_messages_json()
    assert "s3cret" not in f"{provider!r} {model!r} {model.settings!r}"


@pytest.mark.responses_backend("aleph-alpha")
async def test_health_is_asked_at_the_root_of_the_host(responses_backend: Backend) -> None:
    provider = ResponsesProvider("aleph-alpha", base_url="https://pharia.test/v1", api_key="k")
    assert await provider.health() == {"status": "healthy"}
    assert provider.health_sync() == {"status": "healthy"}
    assert [request.path for request in responses_backend.requests] == ["/health", "/health"]


async def test_a_server_without_a_health_check_says_what_to_ask_instead() -> None:
    with pytest.raises(UnsupportedByServerError, match="models"):
        await ResponsesProvider("orq", api_key="k").health()
