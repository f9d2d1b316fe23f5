"""The duties of a client towards each server, one test each, kept by the model on that server's fake."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import httpx2
import openai
import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, PromptedOutput
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError, ModelServerError, UserError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models.test import TestModel

from responses_adapters import BackgroundTimeoutError, ServerProfile
from responses_adapters.profiles import SERVERS as PROFILES
from responses_adapters.pydantic_ai import (
    ResponsesModel,
    ResponsesModelSettings,
    ResponsesProvider,
    ResponsesServers,
)
from responses_adapters.testing import Backend
from responses_adapters.testing.servers import BLACKBOX_LEGACY
from responses_adapters.testing.transport import make_transport

URL = "https://fake.test/v1"
SERVERS = [
    "aleph-alpha",
    "blackbox",
    "litellm",
    "ollama",
    "openai",
    "orq",
    "otari",
    "valar",
    "vllm",
]
MODELS = {"otari": "openai:gpt-5", "orq": "openai/gpt-5", "blackbox": "openai/gpt-5.3-codex"}


def model_on(
    backend: Backend, profile: ServerProfile | None = None, variables: Any = None, **settings: Any
) -> ResponsesModel:
    server = backend.behaviour.name
    provider = ResponsesProvider(
        profile or server,
        base_url=URL,
        api_key="k",
        http_client=httpx2.AsyncClient(transport=make_transport(backend)),
        variables=variables,
    )
    return ResponsesModel(
        MODELS.get(server, "m"),
        provider=provider,
        settings=ResponsesModelSettings(**{"responses_poll_interval": 0.0, **settings}),
    )


def agent_on(
    backend: Backend, profile: ServerProfile | None = None, *, settings: Any = None, **options: Any
) -> Agent[None, str]:
    agent: Agent[None, str] = Agent(model_on(backend, profile, **(settings or {})), **options)

    @agent.tool_plain
    def check_room(room: str) -> str:
        return f"{room} is free"

    return agent


async def run(
    agent: Agent[None, str], prompt: str, history: Any = None
) -> tuple[str, list[ModelMessage]]:
    result = await agent.run(prompt, message_history=history)
    return result.output, result.all_messages()


async def stream(
    agent: Agent[None, str], prompt: str, history: Any = None
) -> tuple[str, list[ModelMessage]]:
    async with agent.run_stream(prompt, message_history=history) as result:
        return await result.get_output(), result.all_messages()


both_ways = pytest.mark.parametrize("ask", [run, stream])
every_server = pytest.mark.parametrize("server", SERVERS)
Ask = Callable[..., Any]


def kinds(items: Sequence[dict[str, Any]]) -> list[str]:
    return [item.get("type", "message") for item in items if item.get("type") != "reasoning"]


def script_turn(backend: Backend, room: str) -> None:
    backend.call_tool("check_room", room=room)
    backend.reply(f"{room} is free.")


WHOLE = ["message", "function_call", "function_call_output", "message"]


@every_server
@both_ways
async def test_two_tool_turns_are_understood_by_every_server(server: str, ask: Ask) -> None:
    backend = Backend(server)
    agent, history = agent_on(backend), None
    for room in ("Birch", "Cedar"):
        script_turn(backend, room)
        said, history = await ask(agent, f"Is {room} free?", history)
        assert said == f"{room} is free."
    assert kinds(backend.contexts[-1]) == (WHOLE * 2)[:-1]
    outputs = [item["output"] for item in backend.contexts[-1] if "output" in item]
    assert outputs == ["Birch is free", "Cedar is free"]
    backend.verify()


# Common


@pytest.mark.parametrize("server", ["valar", "aleph-alpha", "openai"])
async def test_c1_only_an_ended_and_stored_response_is_continued(server: str) -> None:
    backend = Backend(server)
    agent = agent_on(backend, settings={"openai_background": True})
    script_turn(backend, "Birch")
    said, history = await run(agent, "Is Birch free?")
    assert said == "Birch is free."
    assert kinds(backend.contexts[-1]) == WHOLE[:-1]
    continued = [request.previous_response_id for request in backend.creates]
    if PROFILES[server].state == "server":
        assert continued[1] == history[1].provider_response_id  # type: ignore[union-attr]
        assert str(continued[1]).startswith("resp_")
    backend.reply("Yes.")
    if server != "valar":  # which stores everything
        unstored = agent_on(backend, settings={"openai_store": False})
        _, history = await run(unstored, "Sure?", history)
        backend.reply("Really.")
        await run(agent_on(backend), "Really?", history)
        assert backend.creates[-1].previous_response_id is None


@pytest.mark.parametrize("server", ["openai", "aleph-alpha", "orq"])
@both_ways
async def test_c2_a_continuation_holds_only_what_is_newer(server: str, ask: Ask) -> None:
    backend = Backend(server)
    agent, history = agent_on(backend), None
    for room in ("Birch", "Cedar"):
        script_turn(backend, room)
        _, history = await ask(agent, f"Is {room} free?", history)
    assert [kinds(request.input) for request in backend.creates] == [
        ["message"],
        ["function_call_output"],
        ["message"],
        ["function_call_output"],
    ]
    backend.assert_chain()


@every_server
async def test_c3_all_calls_are_answered_in_one_request_before_anything_new(server: str) -> None:
    backend = Backend(server)
    backend.call_tools(("check_room", {"room": "Birch"}), ("check_room", {"room": "Cedar"}))
    backend.reply("Both.")
    said, history = await run(agent_on(backend), "Which are free?")
    assert said == "Both."
    _, [*_, one, two] = backend.turns()[0]
    outputs = [item for item in backend.contexts[-1] if item.get("type") == "function_call_output"]
    assert [(item["call_id"], item["output"]) for item in outputs] == [
        (one["call_id"], "Birch is free"),
        (two["call_id"], "Cedar is free"),
    ]
    assert len(backend.creates) == 2
    # A run that was left after its calls, and goes on with their outputs and a new prompt.
    backend.reply("Sure.")
    await run(agent_on(backend), "Sure?", history[:3])
    tail = kinds(backend.contexts[-1])[-3:]
    assert tail == ["function_call_output", "function_call_output", "message"]


@pytest.mark.parametrize("server", ["openai", "aleph-alpha"])
async def test_c4_a_conversation_is_never_named_together_with_a_response(server: str) -> None:
    backend = Backend(server)
    conversation = await model_on(backend).client.conversations.create()
    agent = agent_on(backend, settings={"openai_conversation_id": conversation.id})
    history = None
    for room in ("Birch", "Cedar"):
        script_turn(backend, room)
        _, history = await run(agent, f"Is {room} free?", history)
    assert len(backend.creates) == 4
    for request in backend.creates:
        assert "conversation" in request.json
        assert request.previous_response_id is None
    assert kinds(backend.contexts[-1]) == (WHOLE * 2)[:-1]


@pytest.mark.parametrize("shape", ["openai", "detail", "int_code", "string", "message"])
async def test_c5_errors_are_read_in_every_shape(shape: str) -> None:
    backend = Backend("generic").configure(error_shape=shape)
    backend.fail(400, "No quota left.", code="quota")
    with pytest.raises(ModelHTTPError, match=r"No quota left\.") as caught:
        await run(agent_on(backend), "Hello")
    assert caught.value.status_code == 400


@pytest.mark.parametrize("usage", ["full", "totals", "pair", "valar", "orq", "orq_priced"])
@both_ways
async def test_c6_usage_is_read_in_every_shape(usage: str, ask: Ask) -> None:
    backend = Backend("generic").configure(usage=usage)
    backend.reply("Hi.")
    _, history = await ask(agent_on(backend), "Hello")
    counted = history[-1].usage
    assert counted.input_tokens > 0
    assert counted.output_tokens > 0


@pytest.mark.parametrize("event_lines", [True, False])
@pytest.mark.parametrize("done_line", [True, False])
@pytest.mark.parametrize("keep_alive", [None, ": keepalive"])
async def test_c7_streams_are_read_whatever_frames_them_and_must_come_to_their_end(
    event_lines: bool, done_line: bool, keep_alive: str | None
) -> None:
    backend = Backend("generic").configure(
        event_lines=event_lines, done_line=done_line, keep_alive=keep_alive
    )
    backend.reply("Hi there.")
    said, _ = await stream(agent_on(backend), "Hello")
    assert said == "Hi there."
    for shape in ("flat", "nested", "bare"):
        backend.error_event(message="Overheated.", after=3, shape=shape).reply("Never said.")
        with pytest.raises(ModelServerError, match="Overheated"):
            await stream(agent_on(backend), "Hello")
    backend.truncate(after=5).reply("Half of it.")
    with pytest.raises(ModelAPIError, match="ended before"):
        await stream(agent_on(backend), "Hello")


@pytest.mark.parametrize("waits", [("paused",), ("in_progress", "paused")])
@both_ways
async def test_c8_a_status_that_nobody_knows_is_an_error_and_not_waited_for(
    waits: tuple[str, ...], ask: Ask
) -> None:
    backend = Backend("valar").configure(background_waits=waits)
    backend.reply("Never seen.").in_background(5)
    agent = agent_on(backend, settings={"openai_background": True})
    with pytest.raises(ModelAPIError, match="'paused', which is neither running nor ended"):
        await ask(agent, "Hello")
    assert [request.method for request in backend.requests][2:] == []


# Valar


@both_ways
async def test_v1_valar_gets_instructions_as_a_message_and_nothing_that_it_refuses(
    ask: Ask,
) -> None:
    backend = Backend("valar")
    settings = {
        "openai_previous_response_id": "auto",
        "openai_reasoning_effort": "low",
        "openai_reasoning_summary": "auto",
        "openai_truncation": "auto",
        "openai_store": True,
        "parallel_tool_calls": True,
    }
    agent = agent_on(backend, settings=settings, instructions="Be brief.")
    script_turn(backend, "Birch")
    await ask(agent, "Is Birch free?")
    for request in backend.requests:
        assert request.input[0] == {"type": "message", "role": "system", "content": "Be brief."}
        assert request.json["reasoning"] == {"effort": "low", "generate_summary": "auto"}
        refused = {"conversation", "instructions", "parallel_tool_calls", "previous_response_id"}
        refused |= {"include", "store", "stream", "truncation"}
        assert not refused & request.json.keys()


class Room(BaseModel):
    name: str


@pytest.mark.parametrize("server", ["valar", "orq"])
async def test_v1_json_object_is_not_asked_for_where_it_is_refused(server: str) -> None:
    backend = Backend(server)
    backend.reply('{"name": "Birch"}')
    result = await Agent(model_on(backend), output_type=PromptedOutput(Room)).run("Which room?")
    assert result.output == Room(name="Birch")
    assert (backend.requests[-1].json.get("text") or {}).get("format", {}).get(
        "type"
    ) != "json_object"


@both_ways
async def test_v2_valar_is_sent_the_request_before_its_output_unchanged_and_then_what_is_new(
    ask: Ask,
) -> None:
    backend = Backend("valar")
    agent, history = agent_on(backend), None
    for room in ("Birch", "Cedar"):
        backend.reason("Hmm.", summary="Thinking.").call_tool("check_room", room=room)
        backend.reason("So.").reply(f"{room} is free.")
        _, history = await ask(agent, f"Is {room} free?", history)
        backend.assert_replayed(verbatim=False)
    given = [item["id"] for _, output in backend.turns()[:-1] for item in output]
    sent = backend.requests[-1].input
    assert [item["id"] for item in sent if "id" in item] == given
    assert [item for item in sent if item.get("type") == "reasoning"] == [
        item for _, output in backend.turns()[:-1] for item in output if item["type"] == "reasoning"
    ]


async def test_v3_a_valar_answer_streams_as_one_piece() -> None:
    backend = Backend("valar")
    backend.reply("Birch is free.")
    async with agent_on(backend).run_stream("Which is free?") as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
    assert pieces == ["Birch is free."]
    assert ["stream" in request.json for request in backend.requests] == [False]


async def test_v4_one_idempotency_key_for_one_call_and_a_new_one_for_the_next() -> None:
    backend = Backend("valar")
    backend.call_tool("check_room", room="Birch")
    backend.fail(503, retry_after=0.001)
    backend.reply("Free.").disconnect()
    agent = agent_on(backend, settings={"max_retries": 3})
    said, _ = await run(agent, "Is Birch free?")
    assert said == "Free."
    first, *rest = (request.headers["idempotency-key"] for request in backend.creates)
    assert len(rest) == 3
    assert set(rest) == {rest[0]}
    assert rest[0] != first
    assert len(backend.contexts) == 2


@pytest.mark.parametrize("waits", [("pending", "running"), ("queued", "in_progress")])
@both_ways
async def test_v5_background_is_waited_for_in_both_vocabularies(
    waits: tuple[str, ...], ask: Ask
) -> None:
    backend = Backend("valar").configure(background_waits=waits)
    backend.reply("Free.")
    said, _ = await ask(agent_on(backend, settings={"openai_background": True}), "Is it free?")
    assert said == "Free."
    methods = [request.method for request in backend.requests]
    assert methods == ["POST", "GET", "GET"]


async def test_v6_the_flex_window_is_for_background_only() -> None:
    backend = Backend("valar")
    backend.reply("Free.")
    flex = {"responses_completion_window": "flex"}
    with pytest.raises(UserError, match="openai_background=True"):
        await run(agent_on(backend, settings=flex), "Is it free?")
    await run(agent_on(backend, settings={**flex, "openai_background": True}), "Is it free?")
    assert [request.json["metadata"] for request in backend.creates] == [
        {"completion_window": "flex"}
    ]


# Blackbox


async def test_b1_tools_are_flat() -> None:
    backend = Backend("blackbox")
    backend.reply("Hi.")
    await run(agent_on(backend), "Hello")
    [tool] = backend.requests[-1].json["tools"]
    assert (tool["type"], tool["name"]) == ("function", "check_room")
    assert "function" not in tool


@both_ways
async def test_b2_encrypted_reasoning_goes_back_unasked_verbatim_and_in_its_place(
    ask: Ask,
) -> None:
    backend = Backend("blackbox")
    backend.reason("Hmm.", encrypted=True).call_tool("check_room", room="Birch")
    backend.reply("Free.")
    await ask(agent_on(backend), "Is Birch free?")
    assert "include" not in backend.requests[0].json
    _, said = backend.turns()[0]
    sent = backend.requests[-1].input
    assert kinds_of_all(sent) == ["message", "reasoning", "function_call", "function_call_output"]
    for name in ("id", "summary", "content", "encrypted_content"):
        assert sent[1][name] == said[0][name]


@both_ways
async def test_b2_reasoning_that_a_stream_tells_of_at_its_end_goes_back_before_its_message(
    ask: Ask,
) -> None:
    backend = Backend("blackbox")
    agent, history = agent_on(backend), None
    for number in range(3):
        backend.reason(f"Thought {number}.", encrypted=True).reply(f"Answer {number}.")
        said, history = await ask(agent, f"Question {number}?", history)
        assert said == f"Answer {number}."
    turn = ["message", "reasoning", "message"]
    assert kinds_of_all(backend.requests[-1].input) == [*turn, *turn, "message"]
    backend.assert_replayed(verbatim=False)


def kinds_of_all(items: Sequence[dict[str, Any]]) -> list[str]:
    return [item.get("type", "message") for item in items]


@both_ways
async def test_b3_outputs_follow_their_calls_at_once(ask: Ask) -> None:
    backend = Backend("blackbox")
    backend.call_tools(("check_room", {"room": "Birch"}), ("check_room", {"room": "Cedar"}))
    backend.reply("Both.")
    await ask(agent_on(backend), "Which are free?")
    sent = backend.requests[-1].input
    calls, outputs = sent[-4:-2], sent[-2:]
    assert kinds_of_all(sent[-4:]) == ["function_call"] * 2 + ["function_call_output"] * 2
    assert [item["call_id"] for item in calls] == [item["call_id"] for item in outputs]


async def test_b4_nothing_is_retrieved_or_waited_for_where_nothing_is_kept() -> None:
    backend = Backend("blackbox")
    script_turn(backend, "Birch")
    await run(agent_on(backend), "Is Birch free?")
    assert [request.method for request in backend.requests] == ["POST", "POST"]
    with pytest.raises(UserError, match="refuses background"):
        await run(agent_on(backend, settings={"openai_background": True}), "Hello")
    assert len(backend.requests) == 2


async def test_b5_an_error_in_a_good_answer_is_an_error() -> None:
    backend = Backend("blackbox")
    backend.fail_turn("502", "Out of GPUs.")
    with pytest.raises(ModelAPIError, match=r"Out of GPUs\."):
        await run(agent_on(backend), "Hello")


@pytest.mark.parametrize("instructions", [None, "Be brief."])
@both_ways
async def test_b6_a_server_that_demands_parameters_gets_them(
    instructions: str | None, ask: Ask
) -> None:
    backend = Backend("blackbox").configure(demands=BLACKBOX_LEGACY)
    legacy = replace(PROFILES["blackbox"], demands=frozenset({"instructions", "store", "stream"}))
    script_turn(backend, "Birch")
    said, _ = await ask(agent_on(backend, legacy, instructions=instructions), "Is Birch free?")
    assert said == "Birch is free."
    for request in backend.requests:
        assert (request.json["stream"], request.json["store"]) == (True, False)
        assert request.json["instructions"] == (instructions or "Answer.")


# orq.ai


@both_ways
async def test_o1_requires_action_is_a_turn_of_the_tools(ask: Ask) -> None:
    backend = Backend("orq")
    script_turn(backend, "Birch")
    said, history = await ask(agent_on(backend), "Is Birch free?")
    assert said == "Birch is free."
    details = [m.provider_details or {} for m in history if isinstance(m, ModelResponse)]
    assert [each.get("status") for each in details] == ["requires_action", None]


async def test_o2_the_path_of_the_base_url_is_kept(
    responses_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORQ_API_KEY", "orq-key")
    for base_url in (None, "https://api.orq.ai/v3/router", "https://api.orq.ai/v3/router/"):
        responses_backend.reply("Hi.")
        await Agent(ResponsesModel("openai/gpt-5", server="orq", base_url=base_url)).run("Hello")
        assert responses_backend.requests[-1].path == "/v3/router/responses"


async def test_o3_replayed_answers_are_lists_of_parts() -> None:
    backend = Backend("orq")
    backend.reply("Yes.")
    history: list[ModelMessage] = [
        ModelRequest(parts=[UserPromptPart("Is Birch free?")]),
        ModelResponse(parts=[TextPart("Birch is free.")], provider_name="elsewhere"),
    ]
    await run(agent_on(backend), "Sure?", history)
    assert backend.contexts[-1].texts == ["Is Birch free?", "Birch is free.", "Sure?"]
    assert [part["type"] for part in backend.requests[-1].input[1]["content"]] == ["output_text"]


async def test_o4_metadata_is_text() -> None:
    backend = Backend("orq")
    backend.reply("Hi.")
    metadata = {"seats": 4, "vip": True, "room": "Birch"}
    await run(agent_on(backend, settings={"responses_metadata": metadata}), "Hello")
    sent = backend.requests[-1].json["metadata"]
    assert sent == {"seats": "4", "vip": "true", "room": "Birch"}


@both_ways
async def test_o5_platform_tools_are_kept_and_never_answered(ask: Ask) -> None:
    backend = Backend("orq")
    backend.run_hosted("orq:current_date", call_id="fc_1", name="current_date", result={}).reply(
        "Friday."
    )
    said, history = await ask(agent_on(backend), "Which day is it?")
    assert said == "Friday."
    details = history[-1].provider_details
    assert [item["type"] for item in details["unmapped_items"]] == ["orq:current_date"]
    assert len(backend.requests) == 1


async def test_o6_secret_variables_come_with_every_request() -> None:
    backend = Backend("orq")
    secret = {"token": {"secret": True, "value": "s3cret"}}
    agent: Agent[None, str] = Agent(model_on(backend, variables=secret))

    @agent.tool_plain
    def check_room(room: str) -> str:
        return f"{room} is free"

    script_turn(backend, "Birch")
    _, history = await run(agent, "Is Birch free?")
    assert [request.json["variables"] for request in backend.creates] == [secret, secret]
    assert "s3cret" not in repr(history)


async def test_o7_reasoning_under_its_other_name_is_thinking() -> None:
    backend = Backend("orq")
    backend.reason("Let me see.").reply("Friday.")
    _, history = await stream(agent_on(backend), "Which day is it?")
    assert history[-1].thinking == "Let me see."


@every_server
async def test_o8_tools_and_instructions_come_with_every_request(server: str) -> None:
    backend = Backend(server)
    agent = agent_on(backend, instructions="Be brief.")
    script_turn(backend, "Birch")
    await run(agent, "Is Birch free?")
    assert [request.method for request in backend.requests] == ["POST", "POST"]
    for request, context in zip(backend.requests, backend.contexts, strict=True):
        assert [tool["name"] for tool in request.json["tools"]] == ["check_room"]
        assert [context.instructions, *context.texts].count("Be brief.") == 1


# any-llm and its gateway


@pytest.mark.parametrize("chaining", ["auto", "always"])
async def test_m1_otari_is_sent_everything_unless_its_provider_is_known_to_keep_it(
    chaining: Any,
) -> None:
    backend = Backend("otari")
    if chaining == "always":  # the provider behind the gateway keeps responses
        backend.configure(chaining="server", echo="id", store="default")
    agent = agent_on(backend, settings={"responses_chaining": chaining})
    script_turn(backend, "Birch")
    await run(agent, "Is Birch free?")
    chained = [request.previous_response_id is not None for request in backend.creates]
    assert chained == [False, chaining == "always"]
    assert kinds(backend.contexts[-1]) == WHOLE[:-1]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("anthropic:claude", "Provider 'anthropic' does not support the Responses API"),
        ("openai:gpt-5", "Budget exhausted"),
    ],
)
async def test_m2_errors_are_read_from_the_detail(model: str, said: str) -> None:
    backend = Backend("otari")
    if model == "openai:gpt-5":
        backend.fail(402, "Budget exhausted")
    agent: Agent[None, str] = Agent(model_on(backend))
    with pytest.raises(ModelHTTPError, match=said):
        await agent.run("Hello", model=_renamed(backend, model))


def _renamed(backend: Backend, name: str) -> ResponsesModel:
    return ResponsesModel(name, provider=model_on(backend)._provider)


async def test_m3_a_stream_that_ends_in_an_error_is_an_error() -> None:
    backend = Backend("otari")
    backend.reply("Half").fail_turn("server_error", "LLM provider error")
    with pytest.raises(ModelServerError, match="LLM provider error"):
        await stream(agent_on(backend), "Hello")


async def test_m4_a_search_that_the_final_response_leaves_out_was_still_streamed() -> None:
    backend = Backend("otari").configure(dressed=(_hide_searches,))
    backend.search_web("rooms").reply("Birch is free.")
    said, history = await stream(agent_on(backend), "Which is free?")
    assert said == "Birch is free."
    assert history[-1].finish_reason == "stop"


def _hide_searches(_: Backend, response: dict[str, Any], __: dict[str, Any]) -> None:
    response["output"] = [item for item in response["output"] if item["type"] != "web_search_call"]


async def test_m5_the_provider_in_the_model_s_name_reaches_the_gateway(
    responses_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTARI_API_KEY", "k")
    responses_backend.reply("Hi.")
    await Agent("otari:openai:gpt-5", capabilities=[ResponsesServers()]).run("Hello")
    assert responses_backend.requests[-1].json["model"] == "openai:gpt-5"


# Aleph Alpha


async def test_a1_a_background_response_is_continued_by_the_id_of_its_finished_body() -> None:
    backend = Backend("aleph-alpha")
    script_turn(backend, "Birch")
    agent = agent_on(backend, settings={"openai_background": True})
    _, history = await run(agent, "Is Birch free?")
    polled = [request.path for request in backend.requests if request.method == "GET"]
    assert all("/req_" in path for path in polled)
    assert str(backend.creates[-1].previous_response_id).startswith("resp_")
    assert str(history[-1].provider_response_id).startswith("resp_")


async def test_a2_instructions_that_were_taken_away_are_not_inherited() -> None:
    backend = Backend("aleph-alpha")
    backend.reply("Ahoy.")
    _, history = await run(agent_on(backend, instructions="Talk like a pirate."), "Hello")
    backend.reply("Good day.")
    await run(agent_on(backend), "Hello again", history)
    assert backend.contexts[-1].instructions is None
    assert backend.contexts[-1].texts == ["Hello", "Ahoy.", "Hello again"]


async def test_a2_nor_after_an_answer_of_another_model() -> None:
    backend = Backend("aleph-alpha")
    backend.reply("Arr.")
    _, history = await run(agent_on(backend, instructions="Talk like a pirate."), "Hello")
    elsewhere: Agent[None, str] = Agent(TestModel(custom_output_text="Fine."))
    _, history = await run(elsewhere, "How are you?", history)
    backend.reply("Hi.")
    await run(agent_on(backend), "Still there?", history)
    said = ["Hello", "Arr.", "How are you?", "Fine.", "Still there?"]
    assert (backend.contexts[-1].instructions, backend.contexts[-1].texts) == (None, said)


async def test_a2_nor_those_that_asked_for_an_object() -> None:
    backend = Backend("aleph-alpha")
    backend.reply('{"name": "Birch"}')
    asked: Any = Agent(model_on(backend), output_type=PromptedOutput(Room))
    history = (await asked.run("Which room?")).all_messages()
    backend.reply("Birch.")
    await run(agent_on(backend), "In words?", history)
    said = ["Which room?", '{"name": "Birch"}', "In words?"]
    assert (backend.contexts[-1].instructions, backend.contexts[-1].texts) == (None, said)


@both_ways
async def test_a3_a_tool_turn_goes_on_with_the_id_and_outputs_that_are_text(ask: Ask) -> None:
    backend = Backend("aleph-alpha")
    agent: Agent[None, str] = Agent(model_on(backend))

    @agent.tool_plain
    def rooms() -> list[dict[str, int]]:
        return [{"seats": 4}]

    backend.call_tool("rooms")
    backend.reply("One.")
    await ask(agent, "Which rooms are there?")
    [item] = backend.creates[-1].input
    assert item["type"] == "function_call_output"
    assert json.loads(item["output"]) == [{"seats": 4}]
    backend.assert_chain()


async def test_a4_every_item_names_its_type() -> None:
    backend = Backend("aleph-alpha")
    script_turn(backend, "Birch")
    _, history = await run(agent_on(backend), "Is Birch free?")
    backend.forget()
    backend.reply("Yes.")
    await run(agent_on(backend), "Sure?", history)
    sent = backend.creates[-1].input
    assert [item["type"] for item in sent] == [*WHOLE, "message"]


@both_ways
async def test_a5_a_deleted_response_is_rebuilt_from_the_history_once(ask: Ask) -> None:
    backend = Backend("aleph-alpha")
    agent = agent_on(backend)
    backend.reply("Hi.")
    _, history = await ask(agent, "Hello")
    await model_on(backend).client.responses.delete(history[-1].provider_response_id)
    backend.reply("Yes.")
    await ask(agent, "Still there?", history)
    assert backend.contexts[-1].texts == ["Hello", "Hi.", "Still there?"]
    sent = [request.previous_response_id is not None for request in backend.creates]
    assert sent == [False, True, False]


async def test_a6_a_retry_within_a_run_continues_the_newest_response() -> None:
    backend = Backend("aleph-alpha")
    backend.reply("Hi.")
    _, before = await run(agent_on(backend), "Hello")
    seed = before[-1].provider_response_id
    agent = agent_on(backend, settings={"openai_previous_response_id": seed})

    @agent.output_validator
    def polite(said: str) -> str:
        if "please" not in said:
            raise ModelRetry("Say please.")
        return said

    backend.reply("Go away.")
    backend.reply("Go away, please.")
    _, history = await run(agent, "What now?")
    first = history[1].provider_response_id  # type: ignore[union-attr]
    assert [request.previous_response_id for request in backend.creates] == [None, seed, first]
    assert len(backend.contexts[-1].texts) == 5


async def test_a7_a_running_response_is_neither_deleted_nor_cancelled_and_its_deletion_waits() -> (
    None
):
    backend = Backend("aleph-alpha")
    backend.reply("Late.")
    settings = {
        "openai_background": True,
        "responses_poll_interval": 0.0,
        "responses_poll_timeout": 0.0,
    }
    with pytest.raises(BackgroundTimeoutError) as caught:
        await run(agent_on(backend, settings=settings), "Hello")
    assert [request.method for request in backend.requests] == ["POST", "GET"]
    responses = model_on(backend).client.responses
    job = str(caught.value.response_id)
    with pytest.raises(openai.APIStatusError) as early:
        await responses.delete(job)
    assert early.value.status_code == 425
    *_, ended = [await responses.retrieve(job) for _ in range(2)]
    await responses.delete(ended.id)
    await responses.delete("resp_never_there")  # 200 proves nothing
    with pytest.raises(openai.NotFoundError):
        await responses.retrieve(ended.id)


async def test_a8_a_conversation_is_an_object() -> None:
    backend = Backend("aleph-alpha")
    conversation = await model_on(backend).client.conversations.create()
    backend.reply("Hi.")
    await run(agent_on(backend, settings={"openai_conversation_id": conversation.id}), "Hello")
    assert backend.creates[-1].json["conversation"] == {"id": conversation.id}


@both_ways
async def test_a9_a_request_that_may_have_arrived_is_not_sent_again(ask: Ask) -> None:
    backend = Backend("aleph-alpha")
    backend.reply("Hi.").disconnect()
    with pytest.raises(ModelAPIError, match="may have been accepted"):
        await ask(agent_on(backend), "Hello")
    assert len(backend.creates) == 1
    backend.refuse_connection()  # nothing arrived
    backend.reply("Hi.")
    said, _ = await ask(agent_on(backend), "Hello")
    assert said == "Hi."


# Beyond the duties


async def test_a_server_that_ignores_the_previous_response_is_found_out_and_sent_everything() -> (
    None
):
    backend = Backend("openai")
    agent = agent_on(backend)
    backend.reply("Hi.")
    _, history = await run(agent, "Hello")
    backend.ignore_previous_id()
    for _ in range(2):
        backend.reply("Yes.")
    await run(agent, "Still there?", history)
    assert backend.contexts[-1].texts == ["Hello", "Hi.", "Still there?"]
