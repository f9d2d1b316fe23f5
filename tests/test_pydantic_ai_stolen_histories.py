"""Whoever can write a history cannot make an agent continue a response of somebody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
)

from responses_adapters.pydantic_ai import ResponsesModel, ResponsesProvider
from responses_adapters.testing import Backend
from responses_adapters.testing.transport import make_transport

KEY = {"history_digest_key": b"ours"}


@pytest.fixture
def backend() -> Backend:
    return Backend("openai", brain=lambda context: f"Seen {len(context)}: {context.texts[0]}")


def agent(backend: Backend, **options: Any) -> Agent[None, str]:
    sender = httpx2.AsyncClient(transport=make_transport(backend))
    provider = ResponsesProvider("openai", api_key="k", http_client=sender)
    return Agent(ResponsesModel("m", provider=provider, **options))


async def victim(backend: Backend) -> tuple[list[ModelMessage], ModelResponse]:
    history = (await agent(backend, **KEY).run("The code of the safe is 4711.")).all_messages()
    assert isinstance(history[1], ModelResponse)
    return history, history[1]


async def continued(backend: Backend, history: list[ModelMessage], **options: Any) -> str | None:
    """What the next turn of this history continues, once it has been stored and read again."""
    stored = ModelMessagesTypeAdapter.validate_json(ModelMessagesTypeAdapter.dump_json(history))
    await agent(backend, **options).run("Say it all again.", message_history=stored)
    return backend.creates[-1].previous_response_id


async def test_a_true_history_is_continued(backend: Backend) -> None:
    history, answer = await victim(backend)
    assert await continued(backend, history, **KEY) == answer.provider_response_id


async def test_an_answer_copied_into_another_history_is_not_continued(backend: Backend) -> None:
    _, answer = await victim(backend)
    bare = ModelResponse(
        parts=[TextPart("Hello.")],
        provider_name=answer.provider_name,
        provider_response_id=answer.provider_response_id,
    )
    for stolen in (
        answer,
        bare,
        replace(bare, provider_details=answer.provider_details, provider_url=answer.provider_url),
        replace(bare, history_digest=answer.history_digest),
    ):
        thread = [ModelRequest.user_text_prompt("Hi."), stolen]
        assert await continued(backend, thread, **KEY) is None
        users = [item for item in backend.contexts[-1] if item.get("role") == "user"]
        assert "4711" not in str(users)


@pytest.mark.parametrize("other", [{"history_digest_key": b"theirs"}, {}], ids=["key", "none"])
async def test_a_whole_history_copied_to_another_tenant_is_sent_and_not_continued(
    other: dict[str, Any], backend: Backend
) -> None:
    history, _ = await victim(backend)
    assert await continued(backend, history, **other) is None
