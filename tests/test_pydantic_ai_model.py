"""The PydanticAI model: what the server sees on every turn, whatever it keeps."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Sequence
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelHTTPError,
    UsageLimitExceeded,
    UserError,
)
from pydantic_ai.messages import (
    AgentStreamEvent,
    ImageUrl,
    ModelMessage,
    ModelRequest,
    UserPromptPart,
)
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.usage import UsageLimits

from responses_adapters import ChainLostError, ServerProfile
from responses_adapters.pydantic_ai import ResponsesModel, ResponsesModelSettings
from responses_adapters.testing import Backend
from responses_adapters.testing.resource import USAGES

Ask = Callable[[Agent[None, str], str, "list[ModelMessage] | None"], Any]


async def run(agent: Agent[None, str], prompt: str, history: list[ModelMessage] | None) -> Any:
    return await agent.run(prompt, message_history=history)


async def stream(agent: Agent[None, str], prompt: str, history: list[ModelMessage] | None) -> Any:
    async with agent.run_stream(prompt, message_history=history) as result:
        await result.get_output()
    return result


both_ways = pytest.mark.parametrize("ask", [run, stream])


def agent_on(model: OpenAIResponsesModel, **options: Any) -> Agent[None, str]:
    agent: Agent[None, str] = Agent(model, **options)

    @agent.tool_plain
    def check_room(room: str) -> str:
        return f"{room} is free"

    return agent


def on_fake(server: str | ServerProfile | None = "openai", **options: Any) -> ResponsesModel:
    return ResponsesModel(
        "gpt-4.1", server=server, base_url="https://fake.test/v1", api_key="k", **options
    )


def script_turn(backend: Backend, number: int) -> None:
    backend.call_tool("check_room", room=f"R{number}")
    backend.reply(f"R{number} is free.")


def kinds(items: Sequence[dict[str, Any]]) -> list[str]:
    return [item.get("type", "message") for item in items]


def whole(turns: int) -> list[str]:
    """Item types of a conversation of tool turns, as the model sees it when the last output has come."""
    turn = ["message", "function_call", "function_call_output", "message"]
    return (turn * turns)[:-1]


@pytest.mark.parametrize("server", ["openai", None])
@both_ways
async def test_ten_tool_turns_over_a_socket_show_the_server_each_message_once(
    responses_backend: Backend, responses_server: Any, server: str | None, ask: Ask
) -> None:
    model = ResponsesModel(
        "gpt-4.1", server=server, base_url=responses_server.base_url, api_key="k"
    )
    agent, history = agent_on(model), None
    for number in range(10):
        script_turn(responses_backend, number)
        history = (await ask(agent, f"Is R{number} free?", history)).all_messages()
    sizes = [len(request.body) for request in responses_backend.requests]
    assert len(sizes) == 20
    assert kinds(responses_backend.contexts[-1]) == whole(10)
    texts = [text for text in responses_backend.contexts[-1].texts if text.startswith("Is R")]
    assert texts == [f"Is R{number} free?" for number in range(10)]
    if server == "openai":
        assert sizes[19] <= 1.2 * sizes[3]
        assert all(request.previous_response_id for request in responses_backend.requests[1:])
    else:
        chained = [
            request.previous_response_id is not None for request in responses_backend.requests
        ]
        assert chained == sorted(chained)
        assert not any(chained[:2])
        assert chained[-1]


@pytest.mark.parametrize("settings", [{}, {"openai_previous_response_id": "auto"}])
@both_ways
async def test_a_server_that_keeps_nothing_is_sent_everything(
    responses_backend: Backend, ask: Ask, settings: Any
) -> None:
    agent, history = agent_on(on_fake("ollama", settings=settings)), None
    for number in range(3):
        script_turn(responses_backend, number)
        history = (await ask(agent, f"Is R{number} free?", history)).all_messages()
    assert all(request.previous_response_id is None for request in responses_backend.requests)
    assert kinds(responses_backend.contexts[-1]) == whole(3)


async def test_a_server_that_keeps_no_tool_items_is_sent_everything_once_a_tool_was_called(
    responses_backend: Backend,
) -> None:
    profile = ServerProfile(name="house", state="server", keeps_tool_items=False)
    agent = agent_on(on_fake(profile))
    responses_backend.reply("Hello.")
    history = (await agent.run("Hi")).all_messages()
    for number in range(2):
        script_turn(responses_backend, number)
        history = (await agent.run(f"Is R{number} free?", message_history=history)).all_messages()
    chained = [request.previous_response_id is not None for request in responses_backend.requests]
    assert chained == [False, True, False, False, False]


IN_BACKGROUND: Any = {"openai_background": True, "responses_poll_interval": 0.0}
LONG = "Tell me everything that there is to know about the rooms of this house. " * 20


@both_ways
async def test_a_server_of_unknown_kind_that_forgets_is_found_out_before_a_word_is_shown(
    responses_backend: Backend, ask: Ask
) -> None:
    responses_backend.ignore_previous_id().configure(echo="id")
    agent = Agent(on_fake(None))
    for said in ("One.", "I know of nothing.", "Two.", "Three."):
        responses_backend.reply(said)
    history: Any = None
    for question, answer in ((LONG, "One."), ("And?", "Two."), ("And?", "Three.")):
        result = await ask(agent, question, history)
        history = result.all_messages()
        assert history[-1].text == answer
    chained = [request.previous_response_id is not None for request in responses_backend.requests]
    assert chained == [False, True, False, False]


async def events_of(agent: Agent[None, str], question: str, **options: Any) -> list[str]:
    """Kinds of the events that a handler sees, and the texts in them."""
    seen: list[str] = []

    async def watch(_: Any, events: AsyncIterable[AgentStreamEvent]) -> None:
        async for event in events:
            part = getattr(event, "part", None)
            seen.extend([event.event_kind, *([part.content] if part else [])])

    await agent.run(question, event_stream_handler=watch, **options)
    return seen


async def test_the_answer_that_proved_the_server_reaches_event_handlers(
    responses_backend: Backend,
) -> None:
    agent = Agent(on_fake(None))
    responses_backend.reply("One.")
    history = (await agent.run(LONG)).all_messages()
    responses_backend.reply("Two.")
    seen = await events_of(agent, "And?", message_history=history)
    assert seen == ["part_start", "Two.", "final_result", "part_end", "Two."]
    assert responses_backend.requests[-1].previous_response_id is not None


@pytest.mark.parametrize(
    ("server", "options"),
    [
        (ServerProfile(name="house", state="server", background=True), {}),
        ("openai", {"responses_background_options": {"completion_window": "8h"}}),
    ],
    ids=["a server that cannot", "an answer that has hours"],
)
@both_ways
async def test_a_background_response_that_cannot_be_streamed_is_polled_for(
    responses_backend: Backend, ask: Ask, server: Any, options: Any
) -> None:
    agent = Agent(on_fake(server), model_settings={**IN_BACKGROUND, **options})
    responses_backend.background(polls=2)
    for said in ("One.", "Two."):
        responses_backend.reply(said)
    result = await ask(agent, "Hi", None)
    assert result.all_messages()[-1].text == "One."
    assert "Two." in await events_of(agent, "And?")
    posts = [each.json["stream"] for each in responses_backend.creates]
    assert (posts, len(responses_backend.requests)) == ([False, False], 6)


@pytest.mark.parametrize("status", [400, 404, 422])
@both_ways
async def test_a_server_of_unknown_kind_that_refuses_to_continue_is_asked_to_only_once(
    responses_backend: Backend, ask: Ask, status: int
) -> None:
    agent, history = Agent(on_fake(None)), None
    responses_backend.reply("One.")
    responses_backend.fail(status, "unknown field")
    responses_backend.reply("Two.")
    responses_backend.reply("Three.")
    for question in (LONG, "And?", "And?"):
        history = (await ask(agent, question, history)).all_messages()
    chained = [request.previous_response_id is not None for request in responses_backend.requests]
    assert chained == [False, True, False, False]


async def test_a_server_whose_counts_tell_nothing_is_put_to_the_proof_twice(
    responses_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, responses = Agent(on_fake(None)), responses_backend
    responses.reply("Yes.")
    history = (await agent.run(LONG)).all_messages()
    monkeypatch.setitem(USAGES, "full", lambda *_: None)
    for answers in (2, 2, 1, 1):
        for _ in range(answers):
            responses.reply("Yes.")
        await agent.run("And?", message_history=history)
    chained = [request.previous_response_id is not None for request in responses.requests]
    assert chained == [False, True, False, True, False, False, False]


@pytest.mark.parametrize(
    "question",
    [[ImageUrl("https://pictures.test/1.png"), "And this?"], "空いている会議室はありますか" * 20],
    ids=["a picture", "Japanese"],
)
async def test_a_question_of_unknown_weight_proves_nothing(
    responses_backend: Backend, question: Any
) -> None:
    agent = Agent(on_fake(None))
    responses_backend.reply("One.")
    responses_backend.reply("Two.")
    history = (await agent.run(LONG)).all_messages()
    await agent.run(question, message_history=history)
    chained = [request.previous_response_id is not None for request in responses_backend.requests]
    assert chained == [False, False]


async def test_a_server_of_unknown_kind_that_remembers_is_sent_only_what_is_new(
    responses_backend: Backend,
) -> None:
    agent, history = Agent(on_fake(None)), None
    for question in (LONG, "And?", "And?"):
        responses_backend.reply("Yes.")
        history = (await agent.run(question, message_history=history)).all_messages()
    assert [len(request.input) for request in responses_backend.requests] == [1, 1, 1]
    assert len(responses_backend.contexts[-1]) == 5


@pytest.mark.parametrize(
    ("status", "shape", "message"),
    [
        (400, None, None),
        (404, None, None),
        (404, "detail", None),
        (404, "detail", "Not Found"),
        (404, "int_code", None),
        (400, "string", None),
    ],
)
@both_ways
async def test_a_lost_response_is_replaced_by_one_full_replay(
    responses_backend: Backend, status: int, shape: str | None, message: str | None, ask: Ask
) -> None:
    responses_backend.lose_previous_as(status, shape=shape, message=message)
    agent, history = agent_on(on_fake()), None
    script_turn(responses_backend, 0)
    history = (await ask(agent, "Is R0 free?", history)).all_messages()
    responses_backend.forget()
    script_turn(responses_backend, 1)
    history = (await ask(agent, "Is R1 free?", history)).all_messages()
    sent = [request.previous_response_id is not None for request in responses_backend.requests]
    assert sent == [False, True, True, False, True]
    assert kinds(responses_backend.contexts[-1]) == whole(2)


@pytest.mark.parametrize("way", ["flat", "nested", "bare", "failed"])
@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.responses_backend("azure")
async def test_a_stream_that_says_it_has_lost_the_response_is_replaced_before_a_word_is_shown(
    responses_backend: Backend, way: Any, after: int
) -> None:
    agent = Agent(on_fake("azure"))
    responses_backend.reply("One.")
    history = (await agent.run("Hi")).all_messages()
    if way == "failed":
        responses_backend.fail_turn("previous_response_not_found", "Previous response not found.")
    else:
        responses_backend.reply("").error_event(
            "previous_response_not_found", "Previous response not found.", after=after, shape=way
        )
    responses_backend.reply("Two.")
    async with agent.run_stream("And?", message_history=history) as result:
        assert [said async for said in result.stream_text(delta=True)] == ["Two."]
    sent = [request.previous_response_id is not None for request in responses_backend.requests]
    assert sent == [False, True, False]


async def test_a_response_that_is_lost_after_a_word_was_shown_is_an_error(
    responses_backend: Backend,
) -> None:
    agent = Agent(on_fake())
    responses_backend.reply("One.")
    history = (await agent.run("Hi")).all_messages()
    responses_backend.reply("Two words.").error_event("previous_response_not_found", after=6)
    with pytest.raises(ModelAPIError):
        await stream(agent, "And?", history)
    assert len(responses_backend.requests) == 2


@pytest.mark.responses_backend("azure")
async def test_an_answer_that_failed_because_the_response_is_lost_is_replaced(
    responses_backend: Backend,
) -> None:
    agent = Agent(on_fake("azure"))
    responses_backend.reply("One.")
    history = (await agent.run("Hi")).all_messages()
    responses_backend.fail_turn("previous_response_not_found", "Previous response not found.")
    responses_backend.reply("Two.")
    assert (await agent.run("And?", message_history=history)).output == "Two."
    sent = [request.previous_response_id is not None for request in responses_backend.requests]
    assert sent == [False, True, False]


async def test_a_stream_that_ends_before_its_answer_begins_says_what_it_said(
    responses_backend: Backend,
) -> None:
    agent = Agent(on_fake())
    responses_backend.reply("One.")
    history = (await agent.run("Hi")).all_messages()
    responses_backend.reply("Two.").truncate(2)
    with pytest.raises(ModelAPIError) as caught:
        await stream(agent, "And?", history)
    assert caught.value.provider_error_code == "stream_truncated"


@both_ways
async def test_a_response_lost_in_the_middle_of_a_tool_loop_is_replaced(
    responses_backend: Backend, ask: Ask
) -> None:
    agent: Agent[None, str] = Agent(on_fake())

    @agent.tool_plain
    def check_room(room: str) -> str:
        responses_backend.forget()
        return f"{room} is free"

    script_turn(responses_backend, 0)
    result = await ask(agent, "Is R0 free?", None)
    assert await _output(result) == "R0 is free."
    assert kinds(responses_backend.contexts[-1]) == whole(1)
    assert len(responses_backend.requests) == 3


async def _output(result: Any) -> str:
    return result.output if hasattr(result, "output") else await result.get_output()


async def test_a_second_loss_in_one_request_is_not_replayed_again(
    responses_backend: Backend,
) -> None:
    agent = agent_on(on_fake())
    script_turn(responses_backend, 0)
    history = (await agent.run("Is R0 free?")).all_messages()
    responses_backend.fail(
        400, "Previous response not found.", code="previous_response_not_found", times=2
    )
    with pytest.raises(ModelHTTPError):
        await agent.run("And R1?", message_history=history)
    assert len(responses_backend.requests) == 4


async def test_a_lost_response_raises_where_replaying_is_not_wanted(
    responses_backend: Backend,
) -> None:
    agent = agent_on(on_fake(settings=ResponsesModelSettings(responses_on_lost_state="raise")))
    script_turn(responses_backend, 0)
    history = (await agent.run("Is R0 free?")).all_messages()
    responses_backend.forget()
    with pytest.raises(ModelHTTPError, match="not found"):
        await agent.run("And R1?", message_history=history)
    assert len(responses_backend.requests) == 3


async def test_an_unknown_model_is_not_taken_for_a_lost_response(
    responses_backend: Backend,
) -> None:
    agent = agent_on(on_fake())
    script_turn(responses_backend, 0)
    history = (await agent.run("Is R0 free?")).all_messages()
    responses_backend.fail(404, "The model does not exist.", code="model_not_found")
    with pytest.raises(ModelHTTPError, match="does not exist"):
        await agent.run("And R1?", message_history=history)
    assert len(responses_backend.requests) == 3


@pytest.mark.parametrize(
    ("server", "settings"), [("openai", {}), (None, {"openai_previous_response_id": "auto"})]
)
@pytest.mark.parametrize("echo", ["id", "foreign"])
async def test_a_server_that_claims_to_continue_and_has_forgotten_is_sent_everything_from_then_on(
    responses_backend: Backend, server: str | None, settings: Any, echo: str
) -> None:
    agent = agent_on(on_fake(server, settings=settings))
    script_turn(responses_backend, 0)
    history = (await agent.run("Is R0 free?")).all_messages()
    responses_backend.ignore_previous_id().configure(echo=echo)
    responses_backend.reply("I know of nothing.")
    script_turn(responses_backend, 1)
    result = await agent.run("Is R1 free?", message_history=history)
    assert result.output == "R1 is free."
    assert kinds(responses_backend.contexts[-1]) == whole(2)
    sent = [request.previous_response_id is not None for request in responses_backend.requests]
    assert sent == [False, True, True, False, False]


async def test_a_stream_that_forgot_ends_in_an_error_and_the_next_one_is_sent_everything(
    responses_backend: Backend,
) -> None:
    agent = agent_on(on_fake())
    script_turn(responses_backend, 0)
    history = (await stream(agent, "Is R0 free?", None)).all_messages()
    responses_backend.ignore_previous_id(echo=True)
    responses_backend.reply("I know of nothing.")
    with pytest.raises(ModelAPIError, match="has forgotten the conversation"):
        await stream(agent, "Is R1 free?", history)
    responses_backend.reply("R1 is free.")
    await stream(agent, "Is R1 free?", history)
    assert responses_backend.requests[-1].previous_response_id is None
    assert len(responses_backend.contexts[-1]) == 5


@pytest.mark.parametrize(("truncation", "requests"), [("auto", 2), ("disabled", 3)])
async def test_forgetting_is_noticed_unless_the_server_may_truncate(
    responses_backend: Backend, truncation: Any, requests: int
) -> None:
    agent = Agent(on_fake(settings=ResponsesModelSettings(openai_truncation=truncation)))
    responses_backend.reply("Yes.")
    history = (await agent.run(LONG)).all_messages()
    responses_backend.ignore_previous_id(echo=True)
    for _ in range(requests - 1):
        responses_backend.reply("Yes, too.")
    await agent.run("And R1?", message_history=history)
    assert len(responses_backend.requests) == requests


@pytest.mark.parametrize("why", ["other instructions", "reasoning", "truncation", "hosted tool"])
@both_ways
async def test_a_smaller_count_proves_nothing_where_something_else_explains_it(
    responses_backend: Backend, why: str, ask: Ask
) -> None:
    if why == "reasoning":
        responses_backend.reason("Long thoughts. " * 50).reply("Yes.")
    elif why == "hosted tool":
        responses_backend.search_web("rooms " * 50).reply("Yes.")
    else:
        responses_backend.reply("Yes.")
    settings = ResponsesModelSettings(openai_truncation="auto") if why == "truncation" else None
    model = on_fake(settings=settings)
    long = "Answer at length. " * 20 if why == "other instructions" else None
    history = (await ask(Agent(model, instructions=long), "Is R0 free?", None)).all_messages()
    responses_backend.ignore_previous_id(echo=True)
    responses_backend.reply("Yes, too.")
    await ask(Agent(model), "And R1?", history)
    assert responses_backend.requests[-1].previous_response_id is not None
    assert len(responses_backend.requests) == 2


FULL = USAGES["full"]


@both_ways
async def test_thoughts_that_are_neither_shown_nor_told_apart_prove_nothing(
    responses_backend: Backend, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        USAGES, "full", lambda read, written, *rest: FULL(read, written + 400, *rest)
    )
    agent = Agent(on_fake())
    responses_backend.reply("Yes.")
    history = (await ask(agent, "Is R0 free?", None)).all_messages()
    responses_backend.reply("Yes, too.")
    result = await ask(agent, "And R1?", history)
    assert await _output(result) == "Yes, too."
    assert len(responses_backend.requests) == 2


@pytest.mark.parametrize(
    ("name", "less", "requests"), [("gpt-5", 300, 2), ("gpt-4.1", 8, 2), ("gpt-4.1", 300, 3)]
)
async def test_a_smaller_count_proves_something_of_the_same_model_only(
    responses_backend: Backend,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    less: int,
    requests: int,
) -> None:
    responses_backend.reply("Yes.")
    first = (await Agent(on_fake()).run(LONG)).all_messages()
    usage = first[-1].usage  # type: ignore[union-attr]
    counted = usage.input_tokens + usage.output_tokens - less
    monkeypatch.setitem(USAGES, "full", lambda _, *rest: FULL(counted, *rest))
    for _ in range(requests - 1):
        responses_backend.reply("Yes, too.")
    model = ResponsesModel(name, server="openai", base_url="https://fake.test/v1", api_key="k")
    await Agent(model).run("And R1?", message_history=first)
    assert len(responses_backend.requests) == requests


@both_ways
async def test_a_lost_seed_is_an_error_because_nothing_here_could_replace_it(
    responses_backend: Backend, ask: Ask
) -> None:
    seeded = ResponsesModelSettings(openai_previous_response_id="resp_elsewhere")
    with pytest.raises(ChainLostError, match="resp_elsewhere") as caught:
        await ask(agent_on(on_fake(settings=seeded)), "Go on.", None)
    assert caught.value.response_id == "resp_elsewhere"
    assert len(responses_backend.requests) == 1


@both_ways
async def test_a_seed_lost_together_with_what_was_built_on_it_is_an_error(
    responses_backend: Backend, ask: Ask
) -> None:
    responses_backend.reply("Hi.")
    first = (await agent_on(on_fake()).run("Hello")).all_messages()[-1]
    agent = agent_on(on_fake(settings={"openai_previous_response_id": first.provider_response_id}))
    responses_backend.reply("Yes.")
    history = (await ask(agent, "Still there?", None)).all_messages()
    assert responses_backend.contexts[-1].texts == ["Hello", "Hi.", "Still there?"]
    responses_backend.forget()
    with pytest.raises(ChainLostError, match=first.provider_response_id):
        await ask(agent, "And now?", history)
    assert len(responses_backend.requests) == 4


@both_ways
async def test_a_seed_is_repeated_under_the_replay_of_an_edited_history(
    responses_backend: Backend, ask: Ask
) -> None:
    responses_backend.reply("Hi.")
    seed = (await Agent(on_fake()).run("Hello")).all_messages()[-1].provider_response_id
    agent = Agent(on_fake(settings={"openai_previous_response_id": seed}))
    responses_backend.reply("Yes.")
    history = (await ask(agent, "The secret is 42.", None)).all_messages()
    history[0] = ModelRequest(parts=[UserPromptPart("The secret is gone.")])
    responses_backend.reply("No.")
    await ask(agent, "Which secret?", history)
    sent = [request.previous_response_id for request in responses_backend.requests]
    assert sent == [None, seed, seed]
    said = ["Hello", "Hi.", "The secret is gone.", "Yes.", "Which secret?"]
    assert responses_backend.contexts[-1].texts == said


@both_ways
async def test_an_id_from_the_history_is_no_seed_and_replaced_when_it_is_lost(
    responses_backend: Backend, ask: Ask
) -> None:
    responses_backend.reply("Hi.")
    history = (await ask(Agent(on_fake()), "Hello", None)).all_messages()
    named = {"openai_previous_response_id": history[-1].provider_response_id}
    responses_backend.forget()
    responses_backend.reply("Yes.")
    await ask(Agent(on_fake(settings=named)), "Still there?", history)
    assert responses_backend.contexts[-1].texts == ["Hello", "Hi.", "Still there?"]


@both_ways
async def test_an_id_from_the_history_is_left_out_where_everything_is_sent(
    responses_backend: Backend, ask: Ask
) -> None:
    server = ServerProfile(name="house", state="server", keeps_tool_items=False)
    script_turn(responses_backend, 0)
    history = (await ask(agent_on(on_fake(server)), "Is R0 free?", None)).all_messages()
    named = {"openai_previous_response_id": history[-1].provider_response_id}
    script_turn(responses_backend, 1)
    await ask(agent_on(on_fake(server, settings=named)), "Is R1 free?", history)
    assert kinds(responses_backend.contexts[-1]) == whole(2)


@both_ways
async def test_an_unstored_response_is_never_continued_although_the_server_says_so_only_in_its_echo(
    responses_backend: Backend, ask: Ask
) -> None:
    unstored = ResponsesModelSettings(extra_body={"store": False})
    agent, history = agent_on(on_fake(settings=unstored)), None
    for number in range(2):
        script_turn(responses_backend, number)
        history = (await ask(agent, f"Is R{number} free?", history)).all_messages()
    assert all(request.previous_response_id is None for request in responses_backend.requests)
    assert kinds(responses_backend.contexts[-1]) == whole(2)


async def test_store_false_is_never_chained(responses_backend: Backend) -> None:
    settings = ResponsesModelSettings(openai_store=False, openai_previous_response_id="auto")
    agent, history = agent_on(on_fake(settings=settings)), None
    for number in range(2):
        script_turn(responses_backend, number)
        history = (await agent.run(f"Is R{number} free?", message_history=history)).all_messages()
    assert all(request.previous_response_id is None for request in responses_backend.requests)
    assert kinds(responses_backend.contexts[-1]) == whole(2)


async def test_a_seed_is_kept_where_what_is_built_on_it_is_not_stored(
    responses_backend: Backend,
) -> None:
    responses_backend.reply("Hi.")
    first = (await agent_on(on_fake()).run("Hello")).all_messages()[-1]
    seeded = {"openai_previous_response_id": first.provider_response_id, "openai_store": False}
    script_turn(responses_backend, 0)
    await agent_on(on_fake(settings=seeded)).run("Is R0 free?")
    sent = [request.previous_response_id for request in responses_backend.requests]
    assert sent == [None, first.provider_response_id, first.provider_response_id]
    assert kinds(responses_backend.contexts[-1]) == ["message", "message", *whole(1)]


async def test_an_edited_history_is_sent_in_full(responses_backend: Backend) -> None:
    agent = agent_on(on_fake())
    script_turn(responses_backend, 0)
    history = (await agent.run("Is R0 free?")).all_messages()
    history[0] = ModelRequest(parts=[UserPromptPart("Is the secret room free?")])
    responses_backend.reply("Yes.")
    await agent.run("And R1?", message_history=history)
    assert responses_backend.requests[-1].previous_response_id is None
    assert "Is the secret room free?" in responses_backend.contexts[-1].texts
    assert "Is R0 free?" not in responses_backend.contexts[-1].texts


async def test_chaining_never_sends_everything_and_always_trusts_an_unknown_server(
    responses_backend: Backend,
) -> None:
    for chaining, server, chained in (("never", "openai", False), ("always", None, True)):
        settings = ResponsesModelSettings(responses_chaining=chaining)
        script_turn(responses_backend, 0)
        await agent_on(on_fake(server, settings=settings)).run("Is R0 free?")
        assert (responses_backend.requests[-1].previous_response_id is not None) == chained


async def test_with_a_stock_openai_provider_the_requests_are_the_stock_class_s(
    responses_backend: Backend,
) -> None:
    bodies: list[list[bytes]] = []
    for model_class in (OpenAIResponsesModel, ResponsesModel):
        seen = len(responses_backend.requests)
        for name in ("gpt-4.1", "gpt-5", "o3"):
            model = model_class(name, provider=OpenAIProvider(api_key="k"))
            agent = agent_on(model, instructions="Be brief.")
            script_turn(responses_backend, 0)
            history = (await agent.run("Is R0 free?")).all_messages()
            script_turn(responses_backend, 1)
            await stream(agent, "Is R1 free?", history)
        bodies.append([request.body for request in responses_backend.requests[seen:]])
    stock, ours = bodies
    # The fake's ids are new in the second run: compare what each request says apart from them.
    assert [_without_ids(body) for body in ours] == [_without_ids(body) for body in stock]


def _without_ids(body: bytes) -> str:
    import re

    return re.sub(r'"(resp|msg|fc|call|rs)_[A-Za-z0-9]+"', '"id"', body.decode())


async def test_a_stock_provider_of_another_server_gets_that_server_s_treatment() -> None:
    provider = OpenAIProvider(base_url="https://api.orq.ai/v3/router", api_key="k")
    assert ResponsesModel("openai/gpt-5", provider=provider).server.name == "orq"


@pytest.mark.parametrize(
    "option",
    [{"server": "orq"}, {"base_url": "https://gw/v1"}, {"api_key": "k"}],
)
def test_provider_excludes_what_it_already_holds(option: dict[str, str]) -> None:
    with pytest.raises(UserError, match=f"leave out {next(iter(option))}="):
        ResponsesModel("m", provider=OpenAIProvider(api_key="k"), **option)  # type: ignore[arg-type]


COUNTED = UsageLimits(count_tokens_before_request=True, input_tokens_limit=100)


@pytest.mark.parametrize("tool", [False, True])
async def test_counting_tells_what_a_request_costs_that_may_have_to_be_a_replay(
    responses_backend: Backend, tool: bool
) -> None:
    house = ServerProfile(name="house", state="server", keeps_tool_items=False)
    agent = agent_on(on_fake(house if tool else None))
    responses_backend.ignore_previous_id()
    if tool:
        responses_backend.call_tool("check_room", room="R0")
    responses_backend.reply("Yes.")
    history = (await agent.run(LONG)).all_messages()
    sent = len(responses_backend.creates)
    with pytest.raises(UsageLimitExceeded):
        await agent.run("And?", message_history=history, usage_limits=COUNTED)
    assert responses_backend.requests[-1].previous_response_id is None
    assert len(responses_backend.creates) == sent


async def test_counting_goes_along_the_chain_and_past_a_lost_response(
    responses_backend: Backend,
) -> None:
    agent = Agent(on_fake())
    responses_backend.reply("One.")
    history = (await agent.run("Hi")).all_messages()
    responses_backend.reply("Two.")
    history = (
        await agent.run("And?", message_history=history, usage_limits=COUNTED)
    ).all_messages()
    responses_backend.forget()
    responses_backend.reply("Three.")
    await agent.run("And?", message_history=history, usage_limits=COUNTED)
    sent = [
        (request.path.rpartition("/")[2], request.previous_response_id is not None)
        for request in responses_backend.requests[1:]
    ]
    count = "input_tokens"
    assert sent == [
        (count, True),
        ("responses", True),
        (count, True),
        (count, False),
        ("responses", True),
        ("responses", False),
    ]


async def test_a_server_that_does_not_count_is_not_taken_for_one_that_lost_a_seed(
    responses_backend: Backend,
) -> None:
    responses_backend.fail(404, "Not Found", endpoint="count")
    agent = Agent(on_fake(settings={"openai_previous_response_id": "resp_elsewhere"}))
    with pytest.raises(ModelHTTPError):
        await agent.run("And?", usage_limits=COUNTED)
