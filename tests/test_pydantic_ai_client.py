"""The lighter client beside the SDK's own, byte for byte: the same requests go out, the same objects come back."""

from __future__ import annotations

import contextlib
import functools
import json
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import httpx2
import openai
import pytest
from openai import AsyncOpenAI
from openai.types import responses
from pydantic import BaseModel
from pydantic_ai import Agent, capture_run_messages
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelRequest
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.usage import UsageLimits

from responses_adapters.protocol.reading import Limits
from responses_adapters.pydantic_ai import ResponsesModel
from responses_adapters.pydantic_ai.client import lean
from responses_adapters.testing import Backend
from responses_adapters.testing.transport import make_transport
from responses_adapters.testing.wire import Request

Handler = Callable[[httpx2.Request], httpx2.Response]

EVENTS = "text/event-stream"


def sdk(handler: Handler, **options: Any) -> AsyncOpenAI:
    http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
    return AsyncOpenAI(api_key="sk-x", http_client=http_client, **{"max_retries": 0, **options})


def answers(content: bytes, kind: str = "application/json", status: int = 200) -> Handler:
    return lambda _: httpx2.Response(status, headers={"content-type": kind}, content=content)


async def told(client: AsyncOpenAI) -> list[Any]:
    """Everything that a stream says, its error last."""
    events: list[Any] = []
    try:
        async with await client.responses.create(model="m", input="Go.", stream=True) as stream:
            async for event in stream:
                events.append(event)  # noqa: PERF401 - what came before an error counts
    except openai.APIError as error:
        events.append((type(error), error.message, error.body))
    return events


def frames(*events: Mapping[str, Any]) -> bytes:
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)


def members(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [each for argument in get_args(annotation) for each in members(argument)]
    return [annotation]


def example(annotation: Any, depth: int = 0) -> Any:
    """JSON that fits a type; a list of a union has one of each."""
    kinds = [kind for kind in members(annotation) if kind is not NoneType]
    kind, origin, arguments = kinds[-1], get_origin(kinds[-1]), get_args(kinds[-1])
    if origin is list:
        wanted = members(arguments[0]) if depth < 4 else []
        return [example(each, depth + 1) for each in wanted if each is not NoneType]
    if origin is Literal:
        return arguments[0]
    if origin is dict:
        return {"key": example(arguments[1], depth + 1)}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {
            name: field
            for name, field in kind.model_fields.items()
            if depth < 4 or field.is_required()
        }
        return {name: example(field.annotation, depth + 1) for name, field in fields.items()}
    simple = {str: "text", int: 3, float: 0.5, bool: True}
    return simple.get(kind, {"any": ["thing"]})


def damaged(value: Any) -> Iterator[Any]:
    """The same JSON with one member, at any level, taken out, null or of another type."""
    places = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in list(places):
        if key == "type" and not isinstance(value, list):
            continue
        rest = dict(value) if isinstance(value, dict) else list(value)
        del rest[key]
        yield rest
        for other in (None, ["odd"], {"odd": 1}, "odd"):
            if isinstance(value, dict):
                yield {**value, key: other}
        if isinstance(member, dict | list) and member:
            for each in damaged(member):
                whole = dict(value) if isinstance(value, dict) else list(value)
                whole[key] = each
                yield whole


KINDS = members(responses.ResponseStreamEvent)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_every_event_is_what_the_sdk_makes_of_it(kind: type[BaseModel]) -> None:
    event = example(kind)
    raw = frames(event, {**event, "of": "tomorrow"})
    client = sdk(answers(raw, EVENTS))
    stock, ours = await told(client), await told(lean(client))
    assert [type(each) for each in ours] == [kind, kind]
    assert ours == stock
    assert [each.model_dump(warnings=False) for each in ours] == [
        each.model_dump(warnings=False) for each in stock
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_an_event_that_does_not_fit_is_what_the_sdk_makes_of_it(
    kind: type[BaseModel],
) -> None:
    misfits = [each for each in damaged(example(kind)) if not each.get("error")]
    chosen = random.Random(kind.__name__).sample(misfits, min(25, len(misfits)))
    client = sdk(answers(frames(*chosen), EVENTS))
    stock, ours = await told(client), await told(lean(client))
    for each, theirs, mine in zip(chosen, stock, ours, strict=True):
        assert mine == theirs, each


async def test_an_event_of_a_kind_unknown_to_the_sdk_is_what_it_makes_of_it() -> None:
    client = sdk(answers(frames({"type": "orq.thing", "sequence_number": 1, "said": [1]}), EVENTS))
    stock, ours = await told(client), await told(lean(client))
    assert ours == stock
    assert ours[0].model_extra == stock[0].model_extra == {"said": [1]}


async def test_every_response_is_what_the_sdk_makes_of_it() -> None:
    whole = example(responses.Response)
    misfits = list(damaged(whole))
    for body in [whole, {}, *random.Random(1).sample(misfits, 150)]:
        client = sdk(answers(json.dumps(body).encode()))
        asked = {"model": "m", "input": "Go."}
        stock = await client.responses.create(**asked)
        ours = await lean(client).responses.create(**asked)
        assert ours == stock, body
        assert ours._request_id == stock._request_id


@pytest.mark.parametrize(
    "raw",
    [
        frames({"error": {"message": "Out.", "code": "x"}}),
        frames({"error": "Out."}),
        frames({"error": {"message": 7}}),
        b": hello\n\ndata: [DONE]\n\n",
        b"event: response.output_text.delta\r\ndata: {}\r\n\r\n",
        b"",
    ],
)
async def test_an_error_a_comment_and_an_end_are_told_as_the_sdk_tells_them(raw: bytes) -> None:
    client = sdk(answers(raw, EVENTS))
    assert [
        each if isinstance(each, tuple) else each.model_extra for each in await told(lean(client))
    ] == [each if isinstance(each, tuple) else each.model_extra for each in await told(client)]


@pytest.mark.parametrize("error", [httpx2.ReadTimeout, httpx2.ReadError])
async def test_a_connection_that_breaks_amid_a_stream_is_the_sdk_s_error(error: Any) -> None:
    async def body() -> Any:
        yield frames({"type": "response.output_text.delta", "delta": "Hel"})
        raise error("gone")

    def handler(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": EVENTS}, content=body())

    client = sdk(handler)
    stock, ours = await told(client), await told(lean(client))
    assert ours == stock
    assert issubclass(ours[-1][0], openai.APIConnectionError)


@pytest.mark.parametrize(
    "raw", [b"data: {broken\n\n", b"data: [1]\n\n", b"data: " + b"x" * Limits().frame]
)
async def test_a_stream_that_cannot_be_read_is_an_error_of_the_sdk_and_of_the_model(
    raw: bytes,
) -> None:
    client = sdk(answers(raw, EVENTS))
    [(kind, message, _)] = await told(lean(client))
    assert kind is openai.APIError
    with pytest.raises(ModelAPIError, match=re.escape(message)):
        async with Agent(
            ResponsesModel("m", provider=OpenAIProvider(openai_client=client))
        ).run_stream("Hi") as result:
            await result.get_output()


async def test_what_is_sent_is_what_the_sdk_sends_byte_for_byte() -> None:
    seen: list[tuple[bytes, dict[str, str]]] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append((request.content, dict(request.headers)))
        return answers(b'{"output": []}')(request)

    client = sdk(handler)
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    parameters = {
        "user": "u",
        "model": "m",
        "input": [{"role": "user", "content": "Zoë"}, responses.ResponseFunctionToolCall(**call)],
        "tools": [{"type": "function", "name": "f", "parameters": {"b": 1, "a": [None]}}],
        "stream": False,
        "store": openai.omit,
        "service_tier": "auto",
        "instructions": None,
        "extra_headers": {"X-A": "1"},
        "extra_query": {"q": 2},
        "extra_body": {"user": "v", "zone": {"x": 1}, "model": openai.omit},
        "timeout": 7,
    }
    for each in (client, lean(client)):
        await each.responses.create(**parameters)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("max_retries", [None, 0])
async def test_the_sdk_repeats_a_request_as_often_as_it_is_told(max_retries: int | None) -> None:
    asked: list[Any] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return answers(b"{}", status=503)(request)

    client = lean(sdk(handler, max_retries=1), max_retries=max_retries)
    with pytest.raises(openai.InternalServerError):
        await client.responses.create(model="m", input="Go.", extra_headers={"x": "1"})
    assert len(asked) == (2 if max_retries is None else 1)


async def test_whatever_is_wrapped_around_create_stays_around_it(monkeypatch: Any) -> None:
    asked: list[str] = []
    create = openai.resources.responses.AsyncResponses.create

    @functools.wraps(create)
    async def traced(self: Any, **parameters: Any) -> Any:
        asked.append(parameters["model"])
        return await create(self, **parameters)

    monkeypatch.setattr(openai.resources.responses.AsyncResponses, "create", traced)
    client = sdk(answers(b'{"output": []}'))
    assert lean(client) is client
    await lean(client, max_retries=0).responses.create(model="m", input="Go.")
    assert asked == ["m"]


async def test_what_is_replaced_on_the_client_stays_replaced(monkeypatch: Any) -> None:
    asked: list[str] = []

    async def replaced(response_id: str) -> None:
        asked.append(response_id)

    client = sdk(answers(b'{"output": []}'))
    monkeypatch.setattr(client.responses, "retrieve", replaced)
    await lean(client).responses.retrieve("resp_1")
    assert asked == ["resp_1"]
    monkeypatch.setattr(client.responses, "create", replaced)
    assert lean(client) is client


async def test_a_key_that_the_caller_changes_is_the_one_that_is_sent() -> None:
    keys: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        keys.append(request.headers["authorization"])
        return answers(b'{"output": []}')(request)

    client = sdk(handler)
    lighter = lean(client)
    for client.api_key in ("sk-1", "sk-2"):
        await lighter.responses.create(model="m", input="Go.")
    assert keys == ["Bearer sk-1", "Bearer sk-2"]


@pytest.mark.parametrize("content", [b"<html>", b"[1]", b'"fine"', b"null"])
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
async def test_an_answer_that_is_no_response_is_a_model_error(content: bytes, kind: str) -> None:
    provider = OpenAIProvider(openai_client=sdk(answers(content, kind)))
    with pytest.raises(ModelAPIError, match="JSON"):
        await Agent(ResponsesModel("m", provider=provider)).run("Hi")


def recorded(*, stream: bool) -> list[bytes]:
    """What OpenAI says to five requests, of every kind that an agent meets."""
    backend = Backend("openai")
    backend.reason("Hmm.", summary="Thinking.", encrypted=True).reply("Two words.")
    backend.call_tools(("check", {"x": 1}), ("check", {"x": 2}))
    backend.reason("So.", summary="So.").call_tool("check", x=3)
    backend.refuse("No.")
    backend.incomplete("max_output_tokens")
    found = []
    for _ in range(5):
        reply = backend.handle(
            Request(
                method="POST",
                path="/v1/responses",
                headers={"authorization": "Bearer k", "content-type": "application/json"},
                body=json.dumps({"model": "gpt-5", "input": "Go.", "stream": stream}).encode(),
            )
        )
        raw = reply.body
        found.append(raw if isinstance(raw, bytes) else b"".join(frame.data for frame in raw))
    return found


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("answer", range(5))
async def test_the_messages_are_those_of_the_stock_class(answer: int, stream: bool) -> None:
    raw = recorded(stream=stream)[answer]
    seen: list[bytes] = []

    async def messages(model: Callable[..., Any]) -> list[Any]:
        def handler(request: httpx2.Request) -> httpx2.Response:
            seen.append(request.content)
            return answers(raw, EVENTS if stream else "application/json")(request)

        asked = model("gpt-5", provider=OpenAIProvider(openai_client=sdk(handler)))
        with capture_run_messages() as kept, contextlib.suppress(Exception):
            agent = Agent(asked, model_settings={"openai_previous_response_id": "auto"})
            agent.tool_plain(check)
            if stream:
                async with agent.run_stream("Go.", usage_limits=ONE) as result:
                    await result.get_output()
            else:
                await agent.run("Go.", usage_limits=ONE)
        return [without_chance(message) for message in kept]

    stock, ours = [await messages(each) for each in (OpenAIResponsesModel, ResponsesModel)]
    assert ours == stock
    assert len(ours) > 1
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]


def check(x: int) -> str:
    """Check."""
    return f"{x} is fine"


ONE = UsageLimits(request_limit=1)


def without_chance(message: Any) -> Any:
    kept = ModelMessagesTypeAdapter.dump_python([message], mode="json")
    return json.loads(CHANCE.sub("", json.dumps(kept)))


CHANCE = re.compile(r'"(timestamp|run_id|conversation_id|history_digest)": "[^"]*"(, )?')


async def test_a_stream_that_only_says_that_it_is_at_work_is_seen_to_have_begun() -> None:
    opening = {"type": "response.created", "response": {"id": "resp_2", "status": "queued"}}
    working = {"type": "response.in_progress", "response": {"id": "resp_2"}}
    read = 0

    class Working(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal read
            yield frames(opening)
            for read in range(100):  # noqa: B007 - counted outside
                yield frames(working)

    def handler(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": EVENTS}, stream=Working())

    client = lean(sdk(handler))
    stream = await client.responses.create(
        model="m", input="Go.", previous_response_id="resp_1", stream=True
    )
    assert (await anext(aiter(stream))).type == "response.created"
    assert read < 5
    await stream.close()


async def test_the_stock_class_chains_for_a_web_socket_and_so_does_ours() -> None:
    async def sent(kind: type[OpenAIResponsesModel]) -> list[Any]:
        backend = Backend()
        backend.reply("one").then.reply("two")
        http_client = httpx2.AsyncClient(transport=make_transport(backend))
        client = AsyncOpenAI(api_key="sk-x", http_client=http_client)
        model = kind(
            "gpt-5",
            provider=OpenAIProvider(openai_client=client),
            settings={"openai_transport": "websocket"},
        )
        messages: list[ModelMessage] = [ModelRequest.user_text_prompt("hello")]
        messages += [await model_request(model, messages), ModelRequest.user_text_prompt("again")]
        await model_request(model, messages)
        return [(each.previous_response_id, len(each.input)) for each in backend.creates]

    stock = await sent(OpenAIResponsesModel)
    assert stock[1][1] == 1
    assert await sent(ResponsesModel) == stock
