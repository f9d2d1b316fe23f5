"""What each server asks of a client, kept by the model on that server's fake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import httpx2
import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage

from responses_adapters.pydantic_ai import ResponsesModel, ResponsesModelSettings
from responses_adapters.testing import Backend
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


def agent_on(backend: Backend, **options: Any) -> Agent[None, str]:
    server = backend.behaviour.name
    settings = ResponsesModelSettings(responses_poll_interval=0.0, **options.pop("settings", {}))
    model = ResponsesModel(
        MODELS.get(server, "m"),
        server=server,
        base_url=URL,
        api_key="k",
        http_client=httpx2.AsyncClient(transport=make_transport(backend)),
        settings=settings,
    )
    agent: Agent[None, str] = Agent(model, **options)

    @agent.tool_plain
    def check_room(room: str) -> str:
        return f"{room} is free"

    return agent


async def run(agent: Agent[None, str], prompt: str, history: Any) -> tuple[str, list[ModelMessage]]:
    result = await agent.run(prompt, message_history=history)
    return result.output, result.all_messages()


async def stream(
    agent: Agent[None, str], prompt: str, history: Any
) -> tuple[str, list[ModelMessage]]:
    async with agent.run_stream(prompt, message_history=history) as result:
        return await result.get_output(), result.all_messages()


both_ways = pytest.mark.parametrize("ask", [run, stream])
Ask = Callable[[Agent[None, str], str, Any], Any]


def kinds(items: Sequence[dict[str, Any]]) -> list[str]:
    return [item.get("type", "message") for item in items if item.get("type") != "reasoning"]


WHOLE = ["message", "function_call", "function_call_output", "message"]


@pytest.mark.parametrize("server", SERVERS)
@both_ways
async def test_two_tool_turns_are_understood_by_every_server(server: str, ask: Ask) -> None:
    backend = Backend(server)
    agent, history = agent_on(backend), None
    for room in ("Birch", "Cedar"):
        backend.call_tool("check_room", room=room)
        backend.reply(f"{room} is free.")
        said, history = await ask(agent, f"Is {room} free?", history)
        assert said == f"{room} is free."
    assert kinds(backend.contexts[-1]) == (WHOLE * 2)[:-1]
    outputs = [item["output"] for item in backend.contexts[-1] if "output" in item]
    assert outputs == ["Birch is free", "Cedar is free"]
    backend.verify()


@pytest.mark.parametrize("server", SERVERS)
async def test_parallel_calls_are_answered_together_and_in_order(server: str) -> None:
    backend = Backend(server)
    backend.call_tools(("check_room", {"room": "Birch"}), ("check_room", {"room": "Cedar"}))
    backend.reply("Both.")
    said, _ = await run(agent_on(backend), "Which are free?", None)
    assert said == "Both."
    outputs = [item for item in backend.contexts[-1] if item.get("type") == "function_call_output"]
    assert [item["output"] for item in outputs] == ["Birch is free", "Cedar is free"]


@pytest.mark.parametrize("server", ["valar", "aleph-alpha", "openai"])
async def test_v5_a1_background_responses_are_waited_for_and_continued_by_their_final_id(
    server: str,
) -> None:
    backend = Backend(server)
    agent = agent_on(backend, settings={"openai_background": True})
    backend.call_tool("check_room", room="Birch")
    backend.reply("Birch is free.")
    said, _ = await run(agent, "Is Birch free?", None)
    assert said == "Birch is free."
    assert kinds(backend.contexts[-1]) == WHOLE[:-1]


@pytest.mark.parametrize("server", SERVERS)
async def test_instructions_reach_every_server_on_every_turn(server: str) -> None:
    backend = Backend(server)
    agent = agent_on(backend, instructions="Be brief.")
    backend.call_tool("check_room", room="Birch")
    backend.reply("Free.")
    await run(agent, "Is Birch free?", None)
    for context in backend.contexts:
        said = [context.instructions, *context.texts]
        assert said.count("Be brief.") == 1


async def test_a2_instructions_that_were_taken_away_are_not_inherited() -> None:
    backend = Backend("aleph-alpha")
    backend.reply("Ahoy.")
    _, history = await run(agent_on(backend, instructions="Talk like a pirate."), "Hello", None)
    backend.reply("Good day.")
    await run(agent_on(backend), "Hello again", history)
    assert backend.contexts[-1].instructions is None
    assert backend.contexts[-1].texts == ["Hello", "Ahoy.", "Hello again"]


async def test_a5_a_deleted_response_is_rebuilt_from_the_history_once() -> None:
    backend = Backend("aleph-alpha")
    agent = agent_on(backend)
    backend.reply("Hi.")
    _, history = await run(agent, "Hello", None)
    backend.forget()
    backend.reply("Yes.")
    await run(agent, "Still there?", history)
    assert backend.contexts[-1].texts == ["Hello", "Hi.", "Still there?"]


async def test_a_server_that_ignores_the_previous_response_is_found_out_and_sent_everything() -> (
    None
):
    backend = Backend("openai")
    agent = agent_on(backend)
    backend.reply("Hi.")
    _, history = await run(agent, "Hello", None)
    backend.ignore_previous_id()
    for _ in range(2):
        backend.reply("Yes.")
    await run(agent, "Still there?", history)
    assert backend.contexts[-1].texts == ["Hello", "Hi.", "Still there?"]


@pytest.mark.parametrize("server", SERVERS)
async def test_o8_b4_tools_and_instructions_come_with_every_request_and_nothing_is_retrieved(
    server: str,
) -> None:
    backend = Backend(server)
    agent = agent_on(backend, instructions="Be brief.")
    backend.call_tool("check_room", room="Birch")
    backend.reply("Free.")
    await run(agent, "Is Birch free?", None)
    assert [request.method for request in backend.requests] == ["POST", "POST"]
    for request in backend.requests:
        assert [tool["name"] for tool in request.json["tools"]] == ["check_room"]
        assert "Be brief." in str(request.json)


@both_ways
async def test_b2_encrypted_reasoning_is_replayed_in_its_place(ask: Ask) -> None:
    backend = Backend("blackbox")
    agent = agent_on(backend)
    backend.reason("Hmm.", encrypted=True).call_tool("check_room", room="Birch")
    backend.reply("Free.")
    await ask(agent, "Is Birch free?", None)
    sent = backend.requests[-1].input
    assert [item.get("type", "message") for item in sent][1:3] == ["reasoning", "function_call"]
    assert sent[1]["encrypted_content"]


async def test_m3_a_stream_that_ends_in_an_error_is_an_error() -> None:
    backend = Backend("otari")
    backend.error_event(after=2, shape="bare").reply("Never said.")
    with pytest.raises(ModelAPIError):
        await stream(agent_on(backend), "Hello", None)


@both_ways
async def test_o5_platform_tools_are_kept_and_never_answered(ask: Ask) -> None:
    backend = Backend("orq")
    backend.respond(
        [
            {"type": "orq:current_date", "call_id": "fc_1", "name": "current_date", "result": {}},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Friday."}],
            },
        ]
    )
    said, history = await ask(agent_on(backend), "Which day is it?", None)
    assert said == "Friday."
    details = history[-1].provider_details
    assert [item["type"] for item in details["unmapped_items"]] == ["orq:current_date"]
    assert len(backend.requests) == 1


async def test_o7_reasoning_under_its_other_name_is_thinking() -> None:
    backend = Backend("orq")
    backend.reason("Let me see.").reply("Friday.")
    _, history = await stream(agent_on(backend), "Which day is it?", None)
    assert history[-1].thinking == "Let me see."
