"""Which Idempotency-Key a request has on a server that honours it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic_ai import Agent
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelRequest

from responses_adapters import ServerProfile
from responses_adapters.pydantic_ai import ResponsesModel, keys
from responses_adapters.testing import Backend

HOUSE = ServerProfile(
    name="house",
    base_url="https://house.test/v1",
    needs_key=False,
    state="replay",
    honours_idempotency_key=True,
)


def room_agent(server: ServerProfile = HOUSE) -> Agent:
    agent = Agent(ResponsesModel("m", server=server))

    @agent.tool_plain
    def check_room(room: str) -> str:
        return "free"

    return agent


def sent(backend: Backend) -> list[str]:
    return [request.headers["idempotency-key"] for request in backend.creates]


@pytest.fixture
def in_another_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setattr(keys, "_asked", OrderedDict())


async def test_a_run_taken_again_in_another_process_is_answered_by_the_responses_it_already_has(
    responses_backend: Backend, in_another_process: Callable[[], None]
) -> None:
    responses_backend.configure(idempotency=True)
    responses_backend.call_tool("check_room", room="Birch").then.reply("Birch is free.")
    for _ in range(2):
        result = await room_agent().run("Is Birch free?", run_id="workflow-1:1")
        assert result.output == "Birch is free."
        in_another_process()
    assert len(responses_backend.creates) == 4
    assert len(responses_backend.contexts) == 2


async def test_another_run_another_step_and_another_question_have_other_keys(
    responses_backend: Backend, in_another_process: Callable[[], None]
) -> None:
    responses_backend.call_tool("check_room", room="Birch").then.reply("Birch is free.")
    await room_agent().run("Is Birch free?", run_id="1")
    for prompt, run_id in (("Is Birch free?", "2"), ("Is Elm free?", "1")):
        in_another_process()
        responses_backend.reply("Yes.")
        await room_agent().run(prompt, run_id=run_id)
    assert len(set(sent(responses_backend))) == 4


async def test_a_request_that_may_continue_a_response_has_a_key_of_its_own(
    responses_backend: Backend, in_another_process: Callable[[], None]
) -> None:
    for _ in range(2):
        responses_backend.reply("Yes.")
        await room_agent(replace(HOUSE, state="server")).run("Is Birch free?", run_id="1")
        in_another_process()
    assert len(set(sent(responses_backend))) == 2


async def test_a_request_that_failed_is_asked_again_under_another_key(
    responses_backend: Backend,
) -> None:
    responses_backend.fail(400)
    with pytest.raises(ModelHTTPError):
        await room_agent().run("Is Birch free?", run_id="1")
    responses_backend.reply("Yes.")
    await room_agent().run("Is Birch free?", run_id="1")
    assert len(set(sent(responses_backend))) == 2


async def test_a_request_outside_of_a_run_has_a_key_of_its_own(responses_backend: Backend) -> None:
    asked = [ModelRequest.user_text_prompt("Is Birch free?")]
    for _ in range(2):
        responses_backend.reply("Yes.")
        await model_request(ResponsesModel("m", server=HOUSE), asked)
    assert len(set(sent(responses_backend))) == 2


def test_what_was_asked_is_not_remembered_for_ever(
    monkeypatch: pytest.MonkeyPatch, in_another_process: Callable[[], None]
) -> None:
    monkeypatch.setattr(keys, "_MAX_NAMES", 2)
    in_another_process()
    assert [keys.new_key(name) for name in "abca"] == ["a-1", "b-1", "c-1", "a-1"]
    assert len(keys._asked) == 2
