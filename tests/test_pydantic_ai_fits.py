"""The model inside everything that PydanticAI puts around a model."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput, models
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.exceptions import UserError
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.openai import OpenAICompaction, OpenAIResponsesModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.toolsets import FunctionToolset

from responses_adapters.pydantic_ai import ResponsesModel, ResponsesModelSettings
from responses_adapters.testing import Backend


def on(server: str | None = "openai", **options: Any) -> ResponsesModel:
    return ResponsesModel(
        "gpt-4.1", server=server, base_url="https://fake.test/v1", api_key="k", **options
    )


async def test_spans_name_the_server_and_say_what_was_sent(responses_backend: Backend) -> None:
    spans = InMemorySpanExporter()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    instrumented = Instrumentation(InstrumentationSettings(tracer_provider=tracing))
    agent = Agent(on(), capabilities=[instrumented])
    history = None
    for prompt in ("One", "Two"):
        responses_backend.reply("Yes.")
        history = (await agent.run(prompt, message_history=history)).all_messages()
    chats = [
        dict(span.attributes or {})
        for span in spans.get_finished_spans()
        if span.name.startswith("chat")
    ]
    assert [chat["responses_adapters.context"] for chat in chats] == ["replay", "delta"]
    assert {chat["responses_adapters.server"] for chat in chats} == {"openai"}
    assert {chat["gen_ai.provider.name"] for chat in chats} == {"openai"}
    assert chats[0]["server.address"] == "fake.test"
    assert '"k"' not in str(chats)


@pytest.mark.parametrize("streams", [False, True])
async def test_a_fallback_moves_on_when_the_server_is_down(
    responses_backend: Backend, streams: bool
) -> None:
    responses_backend.fail(503, times=1)
    first = on(settings=ResponsesModelSettings(max_retries=0))
    agent = Agent(FallbackModel(first, TestModel(custom_output_text="From elsewhere.")))
    if not streams:
        assert (await agent.run("Hello")).output == "From elsewhere."
        return
    async with agent.run_stream("Hello") as result:
        assert await result.get_output() == "From elsewhere."


async def test_a_conversation_moves_between_the_stock_model_and_ours(
    responses_backend: Backend,
) -> None:
    responses_backend.reply("Hi.")
    first = OpenAIResponsesModel("gpt-4.1", provider=OpenAIProvider(api_key="k"))
    history = (await Agent(first).run("Hello")).all_messages()
    responses_backend.reply("Yes.")
    await Agent(on()).run("Still there?", message_history=history)
    assert responses_backend.contexts[-1].texts == ["Hello", "Hi.", "Still there?"]


async def test_requests_can_be_forbidden(responses_backend: Backend) -> None:
    with (
        models.override_allow_model_requests(False),
        pytest.raises(RuntimeError, match="not allowed"),
    ):
        await Agent(on()).run("Hello")
    assert not responses_backend.requests


async def test_a_run_can_be_stepped_through_with_a_toolset(responses_backend: Backend) -> None:
    def check_room(room: str) -> str:
        return f"{room} is free"

    responses_backend.call_tool("check_room", room="Birch")
    responses_backend.reply("Free.")
    agent = Agent(on(), toolsets=[FunctionToolset([check_room])])
    async with agent.iter("Is Birch free?") as steps:
        names = [type(node).__name__ async for node in steps]
    assert names.count("ModelRequestNode") == 2


class Room(BaseModel):
    name: str


@pytest.mark.parametrize("mode", [ToolOutput, NativeOutput, PromptedOutput])
async def test_every_output_mode_gives_the_object(responses_backend: Backend, mode: Any) -> None:
    if mode is ToolOutput:
        responses_backend.call_tool("final_result", name="Birch")
    elif mode is NativeOutput:
        responses_backend.reply_json({"name": "Birch"})
    else:
        responses_backend.reply('{"name": "Birch"}')
    result = await Agent(on(), output_type=mode(Room)).run("Which room?")
    assert result.output == Room(name="Birch")


async def test_compaction_asks_the_server_for_it(responses_backend: Backend) -> None:
    responses_backend.reply("Hi.")
    agent = Agent(on(), capabilities=[OpenAICompaction(token_threshold=1000)])
    await agent.run("Hello")
    sent = responses_backend.requests[-1].json["context_management"]
    assert sent[0]["type"] == "compaction"


async def test_an_agent_can_be_moved_for_a_while(responses_backend: Backend) -> None:
    responses_backend.reply("Hi.")
    agent = Agent(TestModel())
    with agent.override(model=on(None)):
        assert (await agent.run("Hello")).output == "Hi."


async def test_a_string_of_ours_without_the_capability_is_an_error() -> None:
    with pytest.raises(UserError, match="Unknown model: valar:kimi"):
        Agent("valar:kimi")


async def test_the_websocket_of_openai_is_still_there(
    responses_backend: Backend, responses_server: Any
) -> None:
    responses_backend.call_tool("check_room", room="Birch")
    responses_backend.reply("Free.")
    model = ResponsesModel(
        "gpt-4.1",
        server="openai",
        base_url=responses_server.base_url,
        api_key="k",
        settings=ResponsesModelSettings(openai_transport="websocket"),
    )
    agent: Agent[None, str] = Agent(model)

    @agent.tool_plain
    def check_room(room: str) -> str:
        return f"{room} is free"

    result = await agent.run("Is Birch free?")
    assert result.output == "Free."
    answers = [message for message in result.all_messages() if message.kind == "response"]
    assert [(answer.provider_details or {})["transport"] for answer in answers] == ["websocket"] * 2
