"""Whatever happens to the history and to the server: the model sees exactly the history of the agent."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from responses_adapters.pydantic_ai import ResponsesModel
from responses_adapters.testing import Backend
from responses_adapters.testing.transport import make_transport

Server = Callable[[Backend], Any]

BEHAVIOURS: dict[str, tuple[str, str | None, Server]] = {
    "keeps": ("openai", "openai", lambda backend: None),
    "keeps nothing": ("ollama", "ollama", lambda backend: None),
    "of unknown kind": ("openai", None, lambda backend: None),
    "of unknown kind, ignores the id": (
        "openai",
        None,
        lambda backend: backend.ignore_previous_id(),
    ),
    "of unknown kind, keeps nothing": ("ollama", None, lambda backend: None),
    "of unknown kind, loses tool items": ("vllm", "vllm", lambda backend: None),
    "ignores the id": ("openai", "openai", lambda backend: backend.ignore_previous_id()),
    "says 404": ("openai", "openai", lambda backend: backend.lose_previous_as(404)),
    "says 404 with a detail": (
        "openai",
        "openai",
        lambda backend: backend.lose_previous_as(404, shape="detail"),
    ),
    "inherits instructions": ("aleph-alpha", "aleph-alpha", lambda backend: None),
    "only replays": ("valar", "valar", lambda backend: None),
}


def seen_by_the_model(context: Any) -> list[tuple[str, str]]:
    """The context as pairs of kind and text."""
    found: list[tuple[str, str]] = []
    for item in context:
        kind = item.get("type", "message")
        if kind == "message":
            content = item["content"]
            text = (
                content if isinstance(content, str) else "".join(part["text"] for part in content)
            )
            found.append((item["role"], text))
        elif kind == "function_call":
            found.append(("call", item["arguments"]))
        elif kind == "function_call_output":
            found.append(("output", item["output"]))
    return found


def held_by_the_agent(messages: list[ModelMessage]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for message in messages:
        for part in message.parts:
            match part:
                case UserPromptPart(content=str(content)):
                    found.append(("user", content))
                case TextPart(content=content):
                    found.append(("assistant", content))
                case ToolCallPart():
                    found.append(("call", part.args_as_json_str()))
                case ToolReturnPart():
                    found.append(("output", str(part.content)))
    return found


def turns(history: list[ModelMessage]) -> list[int]:
    """Where the turns begin: at the requests that hold a prompt."""
    return [
        index
        for index, message in enumerate(history)
        if isinstance(message, ModelRequest)
        and any(isinstance(part, UserPromptPart) for part in message.parts)
    ]


def disturb(history: list[ModelMessage], dice: random.Random) -> list[ModelMessage]:
    """What people and capabilities do to a history."""
    starts = turns(history)
    match dice.randrange(7):
        case 0:  # trim the oldest turns
            return history[dice.choice(starts) :]
        case 1:  # go back and fork
            return history[: dice.choice(starts)]
        case 2:  # rewrite a prompt
            index = dice.choice(starts)
            edited = ModelRequest(parts=[UserPromptPart(f"edited {dice.random()}")])
            return [*history[:index], edited, *history[index + 1 :]]
        case 3:  # redact an answer
            index = max(i for i, m in enumerate(history) if isinstance(m, ModelResponse))
            redacted = replace(history[index], parts=[TextPart("redacted")])
            return [*history[:index], redacted, *history[index + 1 :]]
        case 4:  # cut out one turn
            place = dice.randrange(len(starts))
            end = starts[place + 1] if place + 1 < len(starts) else len(history)
            return [*history[: starts[place]], *history[end:]]
        case _:
            return history


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
async def test_the_server_sees_the_history_of_the_agent_on_every_turn(behaviour: str) -> None:
    emulated, server, arrange = BEHAVIOURS[behaviour]
    mismatches, checked = await play(emulated, server, arrange, ResponsesModel, turns_to_play=125)
    assert checked == 125
    assert mismatches == []


async def test_a_model_that_always_trusts_the_last_response_is_caught() -> None:
    class Trusting(ResponsesModel):
        def _history_known_unchanged(self, *_: Any) -> bool:
            return True

    mismatches, _ = await play(
        "openai", "openai", lambda backend: None, Trusting, turns_to_play=125
    )
    assert mismatches


async def play(
    emulated: str,
    server: str | None,
    arrange: Server,
    model_class: type[ResponsesModel],
    *,
    turns_to_play: int,
) -> tuple[list[Any], int]:
    dice = random.Random(7)
    backend = Backend(emulated)
    arrange(backend)
    model = model_class(
        "m",
        server=server,
        base_url="https://fake.test/v1",
        api_key="k",
        http_client=httpx2.AsyncClient(transport=make_transport(backend)),
    )
    agent: Agent[None, str] = Agent(model)

    @agent.tool_plain
    def check_room(room: str) -> str:
        return f"{room} is free"

    history: list[ModelMessage] = []
    mismatches: list[Any] = []
    checked = 0
    for number in range(turns_to_play):
        if dice.random() < 0.15:
            backend.forget()
        if dice.random() < 0.4:
            backend.call_tool("check_room", room=f"R{number}")
        seen = len(backend.contexts)
        # A lost context costs an answer: the fake says the same to the replay.
        backend.on(predicate=lambda _: True).reply(f"answer {number}").times(4)
        if dice.random() < 0.5:
            result = await agent.run(f"prompt {number}", message_history=history)
        else:
            async with agent.run_stream(f"prompt {number}", message_history=history) as result:
                await result.get_output()
        messages = result.all_messages()
        checked += 1
        expected = held_by_the_agent(messages[:-1])
        if seen_by_the_model(backend.contexts[-1]) != expected:
            mismatches.append((number, seen_by_the_model(backend.contexts[-1]), expected))
        assert len(backend.contexts) > seen
        history = messages
        if dice.random() < 0.5 and len(turns(history)) > 1:
            history = disturb(history, dice)
    return mismatches, checked
