"""Background responses in an agent: how long they are waited for, and how the wait is taken up again."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from pydantic_ai import Agent, capture_run_messages
from pydantic_ai.direct import model_request
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    UserPromptPart,
)

from responses_adapters import BackgroundTimeoutError
from responses_adapters.pydantic_ai import ResponsesModel, ResponsesModelSettings
from responses_adapters.testing import Backend
from responses_adapters.testing.transport import make_transport

URL = "https://fake.test/v1"


def model_on(backend: Backend, server: Any = "generic", **settings: Any) -> ResponsesModel:
    return ResponsesModel(
        "m",
        server=server,
        base_url=URL,
        api_key="k",
        http_client=httpx2.AsyncClient(transport=make_transport(backend)),
        settings=ResponsesModelSettings(
            **{"openai_background": True, "responses_poll_interval": 0.0, **settings}
        ),
    )


def methods(backend: Backend) -> list[str]:
    return [request.method for request in backend.requests]


async def timed_out_run(
    agent: Agent[None, str],
) -> tuple[list[ModelMessage], BackgroundTimeoutError]:
    with capture_run_messages() as messages, pytest.raises(BackgroundTimeoutError) as caught:
        await agent.run("Go.")
    return messages, caught.value


async def test_the_response_of_a_time_out_is_waited_for_again_and_not_asked_for_twice() -> None:
    backend = Backend().background(polls=2)
    backend.reply("Done.")
    agent = Agent(model_on(backend, responses_poll_timeout=0.0))
    messages, error = await timed_out_run(agent)
    assert "message_history=[*messages, error.response]" in str(error)
    error = pickle.loads(pickle.dumps(error))  # as a durable engine keeps it
    result = await agent.run(message_history=[*messages, error.response])
    assert result.output == "Done."
    assert methods(backend) == ["POST", "GET", "GET"]


async def test_a_run_that_begins_with_a_job_has_the_whole_time_of_its_own() -> None:
    backend = Backend().background(polls=5)
    backend.reply("Done.")
    agent = Agent(model_on(backend, responses_poll_timeout=0.0))
    messages, error = await timed_out_run(agent)
    left: ModelResponse = replace(error.response, run_id="the run that left it")
    stored = ModelMessagesTypeAdapter.dump_json([*messages, left])
    history = ModelMessagesTypeAdapter.validate_json(stored)
    patient = await agent.run(
        message_history=history, model_settings=ResponsesModelSettings(responses_poll_timeout=60)
    )
    assert patient.output == "Done."
    assert methods(backend) == ["POST", *["GET"] * 5]


async def queued(model: ResponsesModel) -> list[ModelMessage]:
    messages: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart("Go.")])]
    return [*messages, await model_request(model, messages)]


async def test_a_job_whose_time_is_over_is_asked_for_once_more_and_its_answer_taken() -> None:
    backend = Backend().background(polls=1)
    backend.reply("Done.")
    model = model_on(backend, responses_poll_timeout=0.0)
    history = await queued(model)
    await asyncio.sleep(0.001)
    assert (await Agent(model).run(message_history=history)).output == "Done."
    assert methods(backend) == ["POST", "GET"]


@pytest.mark.parametrize("limits", [(0.0, 60.0), (None, 0.0)], ids=["raised", "set"])
async def test_the_time_out_of_a_call_counts_before_the_one_that_is_kept_with_the_job(
    limits: Sequence[float | None],
) -> None:
    backend = Backend().background(polls=5)
    backend.reply("Done.")
    given: list[Any] = [{} if each is None else {"responses_poll_timeout": each} for each in limits]
    history = await queued(model_on(backend, **given[0]))
    await asyncio.sleep(0.001)
    agent = Agent(model_on(backend, **given[1]))
    if limits[1]:
        assert (await agent.run(message_history=history)).output == "Done."
        return
    with pytest.raises(BackgroundTimeoutError):
        await agent.run(message_history=history)
    assert set(methods(backend)) == {"POST", "GET"}
    assert not any(request.path.endswith("/cancel") for request in backend.requests)


async def test_polls_that_fail_for_good_end_at_the_time_out() -> None:
    backend = Backend()
    backend.reply("Done.")
    model = model_on(backend, responses_poll_timeout=0.02, max_retries=0)
    history = await queued(model)
    backend.fail(503, times=10_000, endpoint="retrieve")
    with pytest.raises(BackgroundTimeoutError):
        await Agent(model).run(message_history=history)


async def test_a_job_that_the_caller_gives_up_is_cancelled_however_old_its_last_wait_is() -> None:
    backend = Backend("openai").background(polls=5)
    backend.reply("Done.")
    agent = Agent(model_on(backend, "openai", responses_poll_timeout=0.0))
    messages, error = await timed_out_run(agent)
    past = {"poll_started": 1.0, "poll_deadline": 2.0, "poll_interval": 60.0}
    details = {**error.response.provider_details, **past}
    left = replace(error.response, run_id="the run that left it", provider_details=details)
    run = asyncio.create_task(agent.run(message_history=[*messages, left]))
    await asyncio.sleep(0.05)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert backend.requests[-1].path.endswith("/cancel")
