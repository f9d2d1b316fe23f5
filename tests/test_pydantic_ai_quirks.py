"""Thirty-eight ways in which servers differ from OpenAI: what the model makes of each, and what the stock class does.

A test runs twice: on `ResponsesModel`, and on the stock class, where a strict xfail records that it fails today.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelHTTPError,
    ModelRateLimitError,
    ModelServerError,
    SuspendedResponseExpired,
)
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    NativeToolCallPart,
    TextPart,
    ThinkingPart,
    UserPromptPart,
)
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from responses_adapters import BackgroundTimeoutError, ServerProfile
from responses_adapters.profiles import SERVERS
from responses_adapters.pydantic_ai import ResponsesModel, ResponsesModelSettings
from responses_adapters.testing.transport import make_transport
from responses_adapters.testing.wire import Frame, Reply, Request

URL = "https://fake.test/v1"
Make = Callable[..., OpenAIResponsesModel]


class Canned:
    """Answers from a list, and remembers what was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []

    def handle(self, request: Request) -> Reply:
        self.requests.append(request)
        assert self.replies, "one request too many"
        return self.replies.pop(0)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(r.body) for r in self.requests if r.method == "POST"]

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=make_transport(self))


def ours(
    server: Canned, name: str = "m", profile: ServerProfile | None = None, **settings: Any
) -> ResponsesModel:
    return ResponsesModel(
        name,
        server=profile or "generic",
        base_url=URL,
        http_client=server.client(),
        settings=ResponsesModelSettings(max_retries=0, **settings),
    )


def stock(
    server: Canned, name: str = "m", profile: ServerProfile | None = None, **settings: Any
) -> OpenAIResponsesModel:
    known = {key: value for key, value in settings.items() if not key.startswith("responses_")}
    provider = OpenAICompatibleProvider("generic", base_url=URL, http_client=server.client())
    return OpenAIResponsesModel(
        name, provider=provider, settings=ResponsesModelSettings(max_retries=0, **known)
    )


def twins(reason: str | None = None) -> Any:
    """Run on both classes; with a reason, the stock class fails today."""
    marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
    return pytest.mark.parametrize(
        "make", [pytest.param(ours, id="ours"), pytest.param(stock, id="stock", marks=marks)]
    )


def body(*output: Any, **fields: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "m",
        "output": list(output),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        **fields,
    }


def text(said: str = "hello", **fields: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": said, "annotations": []}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    return {**message, "content": [part], **fields}


def call(**fields: Any) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "f",
        "arguments": '{"x":1}',
        "status": "completed",
        **fields,
    }


def answer(*output: Any, **fields: Any) -> Reply:
    return Reply.json(200, body(*output, **fields))


def sse(*events: dict[str, Any] | bytes, named: bool = True, done: bool = False) -> Reply:
    def frames() -> Iterable[Frame]:
        for event in events:
            if isinstance(event, bytes):
                yield Frame(event)
                continue
            name = f"event: {event['type']}\n" if named and "type" in event else ""
            yield Frame(f"{name}data: {json.dumps(event)}\n\n".encode())
        if done:
            yield Frame(b"data: [DONE]\n\n")

    return Reply(200, {"content-type": "text/event-stream"}, iter(list(frames())))


def created(**fields: Any) -> dict[str, Any]:
    response = body(status="in_progress", usage=None, **fields)
    return {"type": "response.created", "sequence_number": 0, "response": response}


def completed(*output: Any, **fields: Any) -> dict[str, Any]:
    return {
        "type": "response.completed",
        "sequence_number": 99,
        "response": body(*output, **fields),
    }


def added(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def delta(said: str, **fields: Any) -> dict[str, Any]:
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
    return {"type": "response.output_text.delta", **place, "delta": said, **fields}


def streamed_text(*said: str) -> list[dict[str, Any]]:
    return [created(), added(text(content=[])), *(delta(part) for part in said)]


async def ask(model: OpenAIResponsesModel, *, streams: bool = False, **options: Any) -> Any:
    agent: Agent[None, Any] = Agent(model, retries=0, **options)

    @agent.tool_plain
    def f(x: int) -> str:
        return f"f said {x}"

    if not streams:
        return await agent.run("Go.")
    async with agent.run_stream("Go.") as result:
        await result.get_output()
    return result


async def output(result: Any) -> Any:
    return result.output if hasattr(result, "output") else await result.get_output()


def last(result: Any) -> ModelResponse:
    message = result.all_messages()[-1]
    assert isinstance(message, ModelResponse)
    return message


def thinking(result: Any) -> list[str]:
    return [part.content for part in last(result).parts if isinstance(part, ThinkingPart)]


REASONING_EVENTS = [
    {"type": "response.reasoning.delta", "item_id": "rs_1", "output_index": 0, "delta": "Hm"},
    {"type": "response.reasoning.delta", "item_id": "rs_1", "output_index": 0, "delta": "m."},
    {"type": "response.reasoning.done", "item_id": "rs_1", "output_index": 0, "text": "Hmm."},
]
DATE_ITEM = {
    "type": "orq:current_date",
    "id": "msg_date",
    "call_id": "fc_9",
    "status": "completed",
    "result": {"date": "2026-11-20"},
}


@twins("the reasoning is dropped without a word")
async def test_01_reasoning_under_its_open_responses_name_is_thinking(make: Make) -> None:
    server = Canned(
        sse(
            created(),
            *REASONING_EVENTS,
            added(text(content=[]), 1),
            delta("hello", output_index=1),
            completed(text()),
        )
    )
    result = await ask(make(server), streams=True)
    assert thinking(result) == ["Hmm."]
    assert await output(result) == "hello"


@twins("TypeError: 'NoneType' object is not iterable")
async def test_02_an_item_of_a_platform_tool_is_kept_beside_the_answer(make: Make) -> None:
    result = await ask(make(Canned(answer(DATE_ITEM, text()))))
    assert result.output == "hello"
    assert (last(result).provider_details or {})["unmapped_items"] == [DATE_ITEM]


@twins("the text of the unknown item leaks into the answer")
async def test_02b_text_of_an_unknown_item_is_not_the_answer(make: Make) -> None:
    leaking = {"type": "orq:note", "id": "n", "content": [{"type": "output_text", "text": "LEAK"}]}
    assert (await ask(make(Canned(answer(leaking, text()))))).output == "hello"


@twins("the item is dropped without a word")
async def test_03_a_streamed_item_of_a_platform_tool_is_kept_the_same_way(make: Make) -> None:
    server = Canned(
        sse(
            created(),
            added({**DATE_ITEM, "result": None}),
            {"type": "orq:progress", "item_id": "msg_date", "percent": 50},
            done(DATE_ITEM),
            added(text(content=[]), 1),
            delta("hello", output_index=1),
            done(text(), 1),
            completed(DATE_ITEM, text()),
        )
    )
    result = await ask(make(server), streams=True)
    assert await output(result) == "hello"
    assert (last(result).provider_details or {})["unmapped_items"] == [DATE_ITEM]


@twins("the finish reason is missing")
async def test_04_requires_action_is_a_tool_turn(make: Make) -> None:
    server = Canned(answer(call(), status="requires_action"), answer(text()))
    result = await ask(make(server))
    assert result.output == "hello"
    turn = result.all_messages()[1]
    assert turn.finish_reason == "stop"
    assert turn.provider_details["status"] == "requires_action"


@pytest.mark.parametrize("terminal", ["response.requires_action", "response.done"])
@twins("usage and finish reason are lost")
async def test_05_a_terminal_event_of_another_name_ends_the_stream(
    make: Make, terminal: str
) -> None:
    status = "requires_action" if terminal.endswith("action") else "completed"
    first = [created(), added(call(arguments="")), done(call())]
    ending = {"type": terminal, "response": body(call(), status=status)}
    second = [*streamed_text("hello"), completed(text())]
    result = await ask(make(Canned(sse(*first, ending), sse(*second))), streams=True)
    assert await output(result) == "hello"
    turn = result.all_messages()[1]
    assert turn.usage.input_tokens == 3
    assert turn.finish_reason == "stop"


@twins()
async def test_06_a_bare_body_is_enough(make: Make) -> None:
    bare = {"id": "resp_1", "status": "completed", "model": "m", "output": [text()]}
    assert (await ask(make(Canned(Reply.json(200, bare))))).output == "hello"


@twins("TypeError: 'NoneType' object is not iterable")
async def test_07_text_without_annotations_is_text(make: Make) -> None:
    part = {"type": "output_text", "text": "hello"}
    assert (await ask(make(Canned(answer(text(content=[part])))))).output == "hello"


@pytest.mark.parametrize("shape", ["no content", "no output"])
@twins("TypeError, outside ModelAPIError")
async def test_08_a_message_without_content_or_a_body_without_output_is_an_empty_answer(
    make: Make, shape: str
) -> None:
    empty = body({"type": "message", "id": "msg_1", "role": "assistant"})
    if shape == "no output":
        del empty["output"]
    model = make(Canned(Reply.json(200, empty)))
    response = await model.request(
        [ModelRequest(parts=[UserPromptPart("Go.")])], None, _parameters()
    )
    assert not response.parts


def _parameters() -> Any:
    from pydantic_ai.models import ModelRequestParameters

    return ModelRequestParameters()


@twins("the text is dropped and the request sent again")
async def test_08b_content_as_a_plain_string_is_text(make: Make) -> None:
    assert (await ask(make(Canned(answer(text(content="hello")))))).output == "hello"


@twins("AttributeError, outside ModelAPIError")
async def test_08c_an_error_as_a_plain_string_is_an_error(make: Make) -> None:
    with pytest.raises(ModelAPIError, match="out of GPUs"):
        await ask(make(Canned(answer(error="out of GPUs", status="failed"))))


@twins("the arguments are lost and the tool does not run")
async def test_09_a_call_streamed_without_item_ids_is_found_by_its_place(make: Make) -> None:
    bare = {key: value for key, value in call().items() if key != "id"}
    arguments = {"type": "response.function_call_arguments.delta", "output_index": 0}
    first = [
        created(),
        added({**bare, "arguments": ""}),
        {**arguments, "delta": '{"x"'},
        {**arguments, "delta": ":1}"},
        done(bare),
        completed(bare),
    ]
    server = Canned(sse(*first), sse(*streamed_text("hello"), completed(text())))
    result = await ask(make(server), streams=True)
    assert await output(result) == "hello"
    assert server.bodies[1]["input"][-1]["output"] == "f said 1"
    assert not [item for item in server.bodies[1]["input"] if "invented" in json.dumps(item)]


@twins()
async def test_10_deltas_without_places_are_text(make: Make) -> None:
    deltas = [{"type": "response.output_text.delta", "delta": part} for part in ("hel", "lo")]
    bare = {"type": "response.completed", "response": body(text())}
    assert (
        await output(await ask(make(Canned(sse(created(), *deltas, bare))), streams=True))
        == "hello"
    )


@pytest.mark.parametrize("said_in", ["completed", "item done", "text done"])
@twins("an empty answer, and the request sent again")
async def test_11_text_that_came_in_one_piece_is_not_lost(make: Make, said_in: str) -> None:
    whole = {"type": "response.output_text.done", "item_id": "msg_1", "output_index": 0}
    events = {
        "completed": [created(), completed(text())],
        "item done": [created(), done(text()), completed()],
        "text done": [
            created(),
            added(text(content=[])),
            {**whole, "content_index": 0, "text": "hello"},
            completed(),
        ],
    }
    result = await ask(make(Canned(sse(*events[said_in]))), streams=True)
    assert await output(result) == "hello"


@twins("an empty answer, and the request sent again")
async def test_11b_a_call_only_in_the_final_response_runs(make: Make) -> None:
    server = Canned(
        sse(created(), completed(call())), sse(*streamed_text("hello"), completed(text()))
    )
    assert await output(await ask(make(server), streams=True)) == "hello"
    assert server.bodies[1]["input"][-1]["output"] == "f said 1"


@twins("AttributeError, outside ModelAPIError")
async def test_12_an_opening_event_without_a_response_is_enough(make: Make) -> None:
    events = [{"type": "response.created"}, *streamed_text("hel", "lo")[1:], completed(text())]
    assert await output(await ask(make(Canned(sse(*events))), streams=True)) == "hello"


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("streams", [False, True])
@twins("the run dies in the middle of the tool loop")
async def test_13_a_lost_response_is_replaced_by_one_full_replay(
    make: Make, status: int, streams: bool
) -> None:
    lost = {
        "message": "Previous response with id 'resp_1' not found.",
        "type": "invalid_request_error",
    }
    lost |= {"param": "previous_response_id", "code": "previous_response_not_found"}
    turn = sse(created(), added(call(arguments="")), done(call()), completed(call()))
    end = sse(*streamed_text("hello"), completed(text()))
    server = Canned(
        turn if streams else answer(call()),
        Reply.json(status, {"error": lost}),
        end if streams else answer(text()),
    )
    chained = ServerProfile(name="generic", state="server", needs_key=False)
    model = make(server, profile=chained, openai_previous_response_id="auto")
    assert await output(await ask(model, streams=streams)) == "hello"
    kinds = [item.get("type", "message") for item in server.bodies[2]["input"]]
    assert kinds == ["message", "function_call", "function_call_output"]
    assert "previous_response_id" not in server.bodies[2]


@twins("400: the parameter is refused")
async def test_14_a_server_without_state_is_never_asked_to_continue(make: Make) -> None:
    server = Canned(answer(call()), answer(text()))
    stateless = ServerProfile(
        name="generic", needs_key=False, state="replay", refuses=frozenset({"previous_response_id"})
    )
    await ask(make(server, profile=stateless, openai_previous_response_id="auto"))
    assert "previous_response_id" not in server.bodies[1]


@twins("an unstored response is continued")
async def test_15_store_false_is_not_continued(make: Make) -> None:
    server = Canned(answer(call()), answer(text()))
    await ask(make(server, openai_store=False, openai_previous_response_id="auto"))
    assert "previous_response_id" not in server.bodies[1]


@twins("an unstored response is continued")
async def test_16_a_response_that_says_it_was_not_stored_is_not_continued(make: Make) -> None:
    server = Canned(answer(call(), store=False), answer(text()))
    await ask(make(server, openai_previous_response_id="auto"))
    assert "previous_response_id" not in server.bodies[1]


@twins()
async def test_17_a_history_recorded_without_digests_is_sent_in_full(make: Make) -> None:
    server = Canned(answer(text()))
    model = make(server, openai_previous_response_id="auto")
    history: list[ModelMessage] = [
        ModelRequest(parts=[UserPromptPart("Before.")]),
        ModelResponse(
            parts=[TextPart("Yes.")], provider_name="generic", provider_response_id="resp_0"
        ),
    ]
    await Agent(model).run("Go.", message_history=history)
    assert "previous_response_id" not in server.bodies[0]
    assert len(server.bodies[0]["input"]) == 3


@pytest.mark.parametrize("echo", [True, False])
async def test_18_and_19_a_background_response_is_polled_whether_or_not_its_echo_says_so(
    echo: bool,
) -> None:
    echoed = {"background": True} if echo else {}
    server = Canned(
        answer(status="queued", usage=None, **echoed),
        answer(status="in_progress", usage=None, **echoed),
        answer(text(), **echoed),
    )
    model = ours(server, openai_background=True, responses_poll_interval=0.0)
    result = await ask(model)
    assert result.output == "hello"
    assert [request.method for request in server.requests] == ["POST", "GET", "GET"]


async def test_18_stock_polls_a_background_response_that_echoes_it() -> None:
    waiting = answer(status="queued", usage=None, background=True)
    server = Canned(waiting, answer(text(), background=True))
    assert (await ask(stock(server, openai_background=True))).output == "hello"


@pytest.mark.xfail(
    strict=True, reason="without an echo the job is submitted twice, or the run fails"
)
async def test_19_stock_polls_a_background_response_without_an_echo() -> None:
    server = Canned(answer(status="queued", usage=None), answer(text()))
    assert (await ask(stock(server, openai_background=True))).output == "hello"


async def test_20_a_failed_poll_is_repeated_and_does_not_cancel_the_job() -> None:
    broken = Reply.json(500, {"error": {"message": "try again", "type": "server_error"}})
    waiting = answer(status="in_progress", usage=None, background=True)
    server = Canned(waiting, broken, broken, answer(text(), background=True))
    model = ours(server, openai_background=True, responses_poll_interval=0.0)
    assert (await ask(model)).output == "hello"
    assert [request.method for request in server.requests] == ["POST", "GET", "GET", "GET"]


@pytest.mark.xfail(strict=True, reason="the error is raised and the job is cancelled")
async def test_20_stock_repeats_a_failed_poll() -> None:
    broken = Reply.json(500, {"error": {"message": "try again", "type": "server_error"}})
    waiting = answer(status="in_progress", usage=None, background=True)
    server = Canned(waiting, broken, answer(text(), background=True))
    assert (await ask(stock(server, openai_background=True))).output == "hello"


async def test_21_a_job_that_is_gone_is_an_error_of_its_own() -> None:
    gone = Reply.json(404, {"error": {"message": "Response not found.", "type": "x"}})
    server = Canned(answer(status="queued", usage=None, background=True), gone, gone)
    model = ours(server, openai_background=True, responses_poll_interval=0.0)
    with pytest.raises(SuspendedResponseExpired):
        await ask(model)


async def test_21_stock_says_so_too_when_a_job_is_gone() -> None:
    gone = Reply.json(404, {"error": {"message": "Response not found.", "type": "x"}})
    server = Canned(answer(status="queued", usage=None, background=True), gone, gone)
    with pytest.raises(SuspendedResponseExpired):
        await ask(stock(server, openai_background=True))


async def test_21b_waiting_ends_at_the_time_out_and_leaves_the_job_running() -> None:
    waiting = answer(status="queued", usage=None, background=True)
    server = Canned(waiting, waiting)
    model = ours(
        server, openai_background=True, responses_poll_interval=0.0, responses_poll_timeout=0.0
    )
    with pytest.raises(BackgroundTimeoutError, match="resp_1 is still running") as caught:
        await ask(model)
    assert caught.value.response_id == "resp_1"
    assert [request.method for request in server.requests] == ["POST", "GET"]


@pytest.mark.parametrize("cancels", [True, False])
async def test_21c_a_job_is_cancelled_only_where_the_server_can(cancels: bool) -> None:
    refused = Reply.json(400, {"error": {"message": "bad", "type": "x"}})
    server = Canned(
        answer(status="queued", usage=None, background=True), refused, answer(status="cancelled")
    )
    profile = ServerProfile(name="generic", needs_key=False, cancels=cancels)
    model = ours(server, profile=profile, openai_background=True, responses_poll_interval=0.0)
    with pytest.raises(ModelHTTPError):
        await ask(model)
    paths = [request.path for request in server.requests]
    assert (paths[-1] == "/v1/responses/resp_1/cancel") == cancels


def background_stream() -> Canned:
    """A background stream that is cut after `par`, and goes on with `tial` from there."""
    events = [
        created(background=True),
        added(text(content=[])),
        delta("par", sequence_number=2),
        delta("tial", sequence_number=3),
        {**done(text("partial")), "sequence_number": 4},
        completed(text("partial"), background=True),
    ]
    for number, event in enumerate(events):
        event["sequence_number"] = number
    first = sse(*events[:3])

    class Resuming(Canned):
        def handle(self, request: Request) -> Reply:
            if request.method == "POST":
                return super().handle(request)
            self.requests.append(request)
            after = int(request.query.get("starting_after", -1))
            return sse(*[event for event in events if event["sequence_number"] > after])

    return Resuming(first)


async def background_text(model: OpenAIResponsesModel) -> str:
    agent: Agent[None, str] = Agent(model)
    async with agent.run_stream("Go.") as result:
        return await result.get_output()


async def test_22_a_resumed_background_stream_keeps_what_came_before_the_cut() -> None:
    profile = replace(SERVERS["generic"], streams_background=True)
    settings: Any = {"openai_background": True, "responses_poll_interval": 0.0}
    model = ours(background_stream(), profile=profile, **settings)
    assert await background_text(model) == "partial"


@pytest.mark.xfail(strict=True, reason="what was streamed before the cut is lost")
async def test_22_stock_keeps_what_came_before_the_cut() -> None:
    assert await background_text(stock(background_stream(), openai_background=True)) == "partial"


async def test_22b_a_background_stream_that_never_ends_is_polled_for_at_the_time_out() -> None:
    class Cut(Canned):
        def handle(self, request: Request) -> Reply:
            if request.method == "POST":
                return super().handle(request)
            self.requests.append(request)
            if request.query.get("stream") == "true":
                return sse(added(text(content=[])), delta("par", sequence_number=2))
            return answer(status="in_progress", usage=None, background=True)

    opening = [created(background=True), added(text(content=[])), delta("par", sequence_number=2)]
    server = Cut(sse(*opening))
    profile = replace(SERVERS["generic"], streams_background=True)
    model = ours(
        server,
        profile=profile,
        openai_background=True,
        responses_poll_interval=0.0,
        responses_poll_timeout=0.01,
    )
    with pytest.raises(BackgroundTimeoutError):
        await background_text(model)
    polls = [request.query["stream"] for request in server.requests[-2:]]
    assert polls == ["true", "false"]


@twins("half an answer is returned as a whole one")
async def test_23_a_stream_that_ends_too_early_is_an_error(make: Make) -> None:
    with pytest.raises(ModelAPIError) as caught:
        await ask(make(Canned(sse(*streamed_text("hel")))), streams=True)
    assert caught.value.provider_error_code == "stream_truncated"


@twins("half the arguments go back to the model as its mistake")
async def test_24_a_stream_cut_inside_arguments_is_an_error(make: Make) -> None:
    arguments = {"type": "response.function_call_arguments.delta", "item_id": "fc_1"}
    events = [
        created(),
        added(call(arguments="")),
        {**arguments, "output_index": 0, "delta": '{"x'},
    ]
    with pytest.raises(ModelAPIError) as caught:
        await ask(make(Canned(sse(*events))), streams=True)
    assert caught.value.provider_error_code == "stream_truncated"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "overheated"},
        {"type": "error", "error": {"code": "server_error", "message": "overheated"}},
        {"error": {"code": "server_error", "message": "overheated"}},
        {
            "type": "response.failed",
            "response": body(
                status="failed", error={"code": "server_error", "message": "overheated"}
            ),
        },
    ],
)
@twins()
async def test_25_an_error_inside_a_stream_is_a_server_error(
    make: Make, event: dict[str, Any]
) -> None:
    with pytest.raises(ModelServerError, match="overheated"):
        await ask(make(Canned(sse(*streamed_text("hel"), event))), streams=True)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, {"content-type": "text/html"}, b"<html>Welcome</html>"),
        Reply(502, {"content-type": "text/html"}, b"<html>Bad Gateway</html>"),
        Reply.json(200, {"error": {"code": "no_credits", "message": "no credits"}}),
    ],
)
@twins()
async def test_26_what_is_no_answer_is_an_error(make: Make, reply: Reply) -> None:
    with pytest.raises(ModelAPIError):
        await ask(make(Canned(reply)))


@twins("AttributeError, outside ModelAPIError")
async def test_26c_an_error_with_a_number_for_a_code_in_a_good_answer_is_an_error(
    make: Make,
) -> None:
    reply = Reply.json(200, {"error": {"code": 402, "message": "no credits"}})
    with pytest.raises(ModelAPIError, match="no credits"):
        await ask(make(Canned(reply)))


@twins()
async def test_26b_broken_json_in_a_stream_is_an_error(make: Make) -> None:
    with pytest.raises(ModelAPIError):
        await ask(make(Canned(sse(*streamed_text("hel"), b"data: {broken\n\n"))), streams=True)


@twins()
async def test_27_comments_and_sentinels_and_missing_names_do_not_matter(make: Make) -> None:
    events = [b": keep-alive\n\n", *streamed_text("hel", "lo"), b":\r\n\r\n", completed(text())]
    reply = sse(*events, named=False, done=True)
    assert await output(await ask(make(Canned(reply)), streams=True)) == "hello"


@twins()
async def test_28_http_errors_keep_their_category(make: Make) -> None:
    limited = Reply.json(
        429, {"error": {"message": "slow down", "type": "x"}}, {"retry-after": "7"}
    )
    with pytest.raises(ModelRateLimitError) as caught:
        await ask(make(Canned(limited)))
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    "error",
    [
        {"detail": "no quota left"},
        {"error": "no quota left"},
        {"error": {"code": 400, "message": "no quota left"}},
    ],
)
async def test_28b_errors_of_any_shape_are_readable(error: dict[str, Any]) -> None:
    with pytest.raises(
        ModelHTTPError, match=r"400 at https://fake.test/v1/responses: no quota left"
    ):
        await ask(ours(Canned(Reply.json(400, error))))


@pytest.mark.parametrize("arguments", ["{broken", "null", '{"x":"many"}'])
@twins()
async def test_29_bad_arguments_are_answered_to_the_model(make: Make, arguments: str) -> None:
    server = Canned(answer(call(arguments=arguments)), answer(text()))
    agent: Agent[None, str] = Agent(make(server), retries=2)

    @agent.tool_plain
    def f(x: int) -> str:
        return f"f said {x}"

    assert (await agent.run("Go.")).output == "hello"
    assert server.bodies[1]["input"][-1]["type"] == "function_call_output"


@twins("a call without call_id is replayed without one")
async def test_30_arguments_as_an_object_and_a_call_without_call_id_work(make: Make) -> None:
    odd = {key: value for key, value in call(arguments={"x": 1}).items() if key != "call_id"}
    server = Canned(answer(odd), answer(text()))
    assert (await ask(make(server))).output == "hello"
    replayed, said = server.bodies[1]["input"][-2:]
    assert (replayed["arguments"], said["output"]) == ('{"x":1}', "f said 1")
    assert replayed["call_id"] == said["call_id"] == "fc_1"


@pytest.mark.parametrize(
    "item",
    [
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "sh", "input": "ls"},
        {
            "type": "mcp_approval_request",
            "id": "mcpr_1",
            "name": "pay",
            "arguments": "{}",
            "server_label": "bank",
        },
    ],
)
@pytest.mark.parametrize("streams", [False, True])
@twins("the request is dropped, and the answer taken for empty")
async def test_31_what_asks_the_client_to_act_is_not_dropped(
    make: Make, item: dict[str, Any], streams: bool
) -> None:
    reply = sse(created(), done(item), completed(item)) if streams else answer(item)
    with pytest.raises(ModelAPIError, match=item["type"]):
        await ask(make(Canned(reply)), streams=streams)


@twins("0 tokens, and a warning")
async def test_32_usage_under_chat_completions_names_is_usage(make: Make) -> None:
    usage = {"prompt_tokens": 30, "completion_tokens": 12}
    result = await ask(make(Canned(answer(text(), usage=usage))))
    assert (result.usage.input_tokens, result.usage.output_tokens) == (30, 12)


@twins()
async def test_33_a_long_base_path_is_kept(make: Make) -> None:
    server = Canned(answer(text()))
    provider = OpenAICompatibleProvider(
        "x", base_url="https://api.orq.ai/v3/router/", http_client=server.client()
    )
    await ask((ResponsesModel if make is ours else OpenAIResponsesModel)("m", provider=provider))
    assert server.requests[0].path == "/v3/router/responses"


@twins("the name of the model decides that encrypted reasoning is asked for")
async def test_34_the_server_and_not_the_model_s_name_decides_what_is_sent(make: Make) -> None:
    server = Canned(answer(text()))
    plain = ServerProfile(name="generic", needs_key=False, encrypted_reasoning="never")
    await ask(make(server, "gpt-5", profile=plain))
    assert "include" not in server.bodies[0]


@twins("encrypted reasoning is dropped and its summary sent as the assistant's text")
async def test_35_encrypted_reasoning_of_any_model_goes_back_verbatim(make: Make) -> None:
    summary = [{"type": "summary_text", "text": "Hmm."}]
    sealed = {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "gAAA"}
    server = Canned(answer(sealed, call()), answer(text()))
    sealing = ServerProfile(name="generic", needs_key=False, encrypted_reasoning="always")
    await ask(make(server, "kimi-k2", profile=sealing))
    replayed = server.bodies[1]["input"][1]
    assert {key: replayed[key] for key in sealed} == sealed
    assert "include" not in server.bodies[0]


@twins("`strict` is always sent")
async def test_36_strict_is_left_out_where_the_server_does_not_know_it(make: Make) -> None:
    server = Canned(answer(text()))
    await ask(make(server, profile=ServerProfile(name="generic", needs_key=False, strict=False)))
    assert "strict" not in server.bodies[0]["tools"][0]


@pytest.mark.parametrize("status", ["failed", "cancelled"])
@pytest.mark.parametrize("streams", [False, True])
@twins("the text of a failed response is returned as its answer")
async def test_37_a_failed_or_cancelled_response_is_an_error(
    make: Make, status: str, streams: bool
) -> None:
    broken = body(text("hel"), status=status)
    ending = {"type": f"response.{status}", "response": broken}
    reply = sse(*streamed_text("hel"), ending) if streams else Reply.json(200, broken)
    with pytest.raises(ModelAPIError, match=status):
        await ask(make(Canned(reply)), streams=streams)


@twins()
async def test_38_native_tool_parts_that_nobody_knows_are_skipped_on_replay(make: Make) -> None:
    server = Canned(answer(text()))
    history: list[ModelMessage] = [
        ModelRequest(parts=[UserPromptPart("Before.")]),
        ModelResponse(
            parts=[
                NativeToolCallPart("orq:current_date", {}, tool_call_id="x"),
                TextPart("Friday."),
            ],
            provider_name="elsewhere",
        ),
    ]
    await Agent(make(server)).run("Go.", message_history=history)
    assert len(server.bodies[0]["input"]) == 3


class Room(BaseModel):
    name: str


async def test_native_output_is_allowed_where_the_server_supports_json_schema() -> None:
    server = Canned(answer(text('{"name":"Birch"}')))
    result = await Agent(ours(server, "qwen3-32b"), output_type=NativeOutput(Room)).run("Go.")
    assert result.output == Room(name="Birch")
    assert server.bodies[0]["text"]["format"]["type"] == "json_schema"
