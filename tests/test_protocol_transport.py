"""The dialect under unmodified clients: httpx2 and httpx, sync and async, over every SDK that uses them."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import httpx2
import openai
import pytest

from responses_adapters.profiles import SERVERS
from responses_adapters.protocol.transport import (
    client_transport,
    dialect_transport,
    library_of,
    pool_transport,
)
from responses_adapters.testing import Backend
from responses_adapters.testing.transport import make_transport
from responses_adapters.testing.wire import Frame, Reply, Request

LIBRARIES: dict[str, Any] = {"httpx2": httpx2, "httpx": httpx}
URL = "https://fake.test/v1"


class Fixed:
    """Gives every request the same answer."""

    def __init__(self, reply: dict[str, Any] | list[bytes], status: int = 200) -> None:
        self.reply = reply
        self.status = status
        self.requests: list[Request] = []

    def handle(self, request: Request) -> Reply:
        self.requests.append(request)
        if isinstance(self.reply, dict):
            return Reply.json(self.status, self.reply)
        frames = iter([Frame(data) for data in self.reply])
        return Reply(self.status, {"content-type": "text/event-stream"}, frames)


def transport_to(
    handler: Any, server: str = "generic", library: Any = "httpx2", **options: Any
) -> Any:
    inner = make_transport(handler, library=library)
    return dialect_transport(server, base_url=URL, inner=inner, library=library, **options)


def exchange(client: Any, body: dict[str, Any]) -> bytes:
    return client.post(f"{URL}/responses", json=body, headers={"authorization": "Bearer k"}).content


@pytest.mark.parametrize("library", ["httpx2", "httpx"])
@pytest.mark.parametrize("stream", [False, True])
def test_canonical_traffic_passes_byte_for_byte_in_both_directions(
    library: Any, stream: bool
) -> None:
    module = LIBRARIES[library]
    body = {"model": "gpt-5", "input": "Go.", "stream": stream}
    seen: list[tuple[bytes, bytes]] = []
    for wrapped in (False, True):
        backend = Backend("openai")
        backend.reason("Hmm.", encrypted=True).reply("Two words, ö.")
        bare = make_transport(backend, library=library)
        transport = dialect_transport("openai", inner=bare, library=library) if wrapped else bare
        with module.Client(transport=transport) as client:
            answer = exchange(client, body)
        seen.append((backend.requests[-1].body, answer))
    assert seen[0] == seen[1]

    async def asynchronous() -> bytes:
        backend = Backend("openai")
        backend.reason("Hmm.", encrypted=True).reply("Two words, ö.")
        transport = transport_to(backend, "openai", library)
        async with module.AsyncClient(transport=transport) as client:
            headers = {"authorization": "Bearer k"}
            return (await client.post(f"{URL}/responses", json=body, headers=headers)).content

    assert asyncio.run(asynchronous()) == seen[0][1]


def test_events_are_passed_on_as_they_arrive() -> None:
    handed: list[int] = []

    class Counting(Fixed):
        def handle(self, request: Request) -> Reply:
            def frames() -> Any:
                for number, data in enumerate(self.reply):
                    handed.append(number)
                    yield Frame(data)  # type: ignore[arg-type]

            return Reply(200, {"content-type": "text/event-stream"}, frames())

    created = b'data: {"type":"response.created","response":{"id":"r","output":[]}}\n\n'
    delta = b'data: {"type":"response.output_text.delta","delta":"x"}\n\n'
    server = Counting([created, delta, delta])
    with (
        httpx2.Client(transport=transport_to(server)) as client,
        client.stream("POST", f"{URL}/responses", json={"stream": True}) as response,
    ):
        next(response.iter_bytes())
        assert handed == [0]


ITEM = {"type": "orq:current_date", "id": "x", "status": "completed", "result": {}}
TEXT = {"type": "message", "role": "assistant", "content": "hello"}
ODD = {"id": "resp_1", "model": "m", "status": "requires_action", "output": [ITEM, TEXT]}
ODD_STREAM = [
    b'data: {"type":"response.created"}\n\n',
    b'data: {"type":"response.output_text.delta","delta":"hello"}\n\n',
    b'data: {"type":"response.done","response":' + json.dumps(ODD).encode() + b"}\n\n",
]


def test_a_plain_openai_client_benefits() -> None:
    with httpx2.Client(transport=transport_to(Fixed(ODD))) as http_client:
        client = openai.OpenAI(base_url=URL, api_key="k", http_client=http_client)
        response = client.responses.create(model="m", input="Go.")
        assert (response.output_text, response.status) == ("hello", "completed")
        assert (response.model_extra or {})["responses_adapters"]["unmapped"] == [ITEM]


async def test_an_async_openai_client_benefits() -> None:
    async with httpx2.AsyncClient(transport=transport_to(Fixed(ODD_STREAM))) as http_client:
        client = openai.AsyncOpenAI(base_url=URL, api_key="k", http_client=http_client)
        stream = await client.responses.create(model="m", input="Go.", stream=True)
        kinds = [event.type async for event in stream]
    assert kinds == [
        "response.created",
        "response.output_item.added",
        "response.output_text.delta",
        "response.output_item.done",
        "response.completed",
    ]


async def test_an_unmodified_chat_openai_benefits() -> None:
    from langchain_openai import ChatOpenAI

    for reply, streams in ((ODD, False), (ODD_STREAM, True)):
        async with httpx2.AsyncClient(transport=transport_to(Fixed(reply))) as client:
            model = ChatOpenAI(
                model="m",
                base_url=URL,
                api_key="k",  # type: ignore[arg-type]
                use_responses_api=True,
                http_async_client=client,
                streaming=streams,
            )
            assert (await model.ainvoke("Go.")).text == "hello"


async def test_an_unmodified_pydantic_ai_model_benefits() -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async with httpx2.AsyncClient(transport=transport_to(Fixed(ODD))) as client:
        provider = OpenAIProvider(base_url=URL, api_key="k", http_client=client)
        agent = Agent(OpenAIResponsesModel("m", provider=provider))
        assert (await agent.run("Go.")).output == "hello"


def test_v3_a_server_that_does_not_stream_is_asked_for_the_whole_and_streamed_here() -> None:
    backend = Backend("valar")
    backend.call_tools(("f", {"x": 1}), ("g", {"y": 2}))
    with httpx2.Client(transport=transport_to(backend, "valar")) as http_client:
        client = openai.OpenAI(base_url=URL, api_key="k", http_client=http_client)
        tools: Any = [
            {"type": "function", "name": name, "parameters": {"type": "object"}, "strict": False}
            for name in "fg"
        ]
        with client.responses.stream(model="m", input="Go.", tools=tools) as stream:
            final = list(stream)[-1]
    assert "stream" not in backend.requests[-1].json
    assert [item.name for item in final.response.output] == ["f", "g"]


def test_a_server_that_only_streams_is_read_to_its_end_for_a_client_that_does_not() -> None:
    with httpx2.Client(transport=transport_to(Fixed(ODD_STREAM))) as http_client:
        client = openai.OpenAI(base_url=URL, api_key="k", http_client=http_client)
        assert client.responses.create(model="m", input="Go.").output_text == "hello"
        cut = Fixed(ODD_STREAM[:-1])
    with httpx2.Client(transport=transport_to(cut)) as http_client:
        client = openai.OpenAI(base_url=URL, api_key="k", http_client=http_client, max_retries=0)
        with pytest.raises(openai.InternalServerError, match="ended before"):
            client.responses.create(model="m", input="Go.")


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_ignores_the_previous_response_is_found_out(stream: bool) -> None:
    backend = Backend("openai")
    for _ in range(2):
        backend.reply("Hi.")
    with httpx2.Client(transport=transport_to(backend, "openai")) as http_client:
        client = openai.OpenAI(base_url=URL, api_key="k", http_client=http_client)
        first = client.responses.create(model="m", input="Go.")
        backend.ignore_previous_id()

        def go_on() -> None:
            list(
                client.responses.create(
                    model="m", input="On.", previous_response_id=first.id, stream=stream
                )
            )

        with pytest.raises(openai.APIError) as caught:
            go_on()
    assert caught.value.code == "previous_response_not_found"


def test_secret_variables_go_to_their_origin_only() -> None:
    server = Fixed({"id": "resp_1", "output": []})
    transport = transport_to(server, variables={"token": "s3cret"})
    with httpx2.Client(transport=transport) as client:
        for url in (URL, "https://fake.test:444/v1", "http://fake.test/v1", "https://evil.test/v1"):
            client.post(f"{url}/responses", json={"variables": {"a": "b"}})
    sent = [json.loads(request.body)["variables"] for request in server.requests]
    assert sent == [{"a": "b", "token": "s3cret"}, {"a": "b"}, {"a": "b"}, {"a": "b"}]


@pytest.mark.parametrize("stream", [False, True])
def test_compression_is_not_asked_for_and_understood_if_it_comes(stream: bool) -> None:
    class Compressing(Fixed):
        def handle(self, request: Request) -> Reply:
            plain = b"".join(ODD_STREAM) if stream else json.dumps(ODD).encode()
            kind = "text/event-stream" if stream else "application/json"
            self.requests.append(request)
            headers = {"content-type": kind, "content-encoding": "gzip"}
            return Reply(200, headers, gzip.compress(plain))

    server = Compressing(ODD)
    with httpx2.Client(transport=transport_to(server)) as client:
        answer = exchange(client, {"model": "m", "input": "Go.", "stream": stream})
    assert b"hello" in answer
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_the_synchronous_pool_closes_and_opens_again() -> None:
    opened: list[httpx2.Client] = []

    def make_client() -> httpx2.Client:
        opened.append(httpx2.Client(transport=make_transport(Fixed({"ok": True}))))
        return opened[-1]

    pool = pool_transport(make_client=make_client)
    for _ in range(2):
        assert pool.handle_request(httpx2.Request("GET", URL)).status_code == 200
        pool.close()
    assert [client.is_closed for client in opened] == [True, True]


def test_one_pool_serves_the_event_loops_of_many_threads() -> None:
    server = Fixed({"id": "resp_1"})
    pool = pool_transport(
        make_async_client=lambda: httpx2.AsyncClient(transport=make_transport(server)),
        library="httpx2",
    )

    async def ask() -> int:
        response = await pool.handle_async_request(httpx2.Request("GET", URL))
        await response.aclose()
        return int(response.status_code)

    def answers(_: int) -> list[int]:
        return [asyncio.run(ask()) for _ in range(40)]

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(24) as threads:
            found = [status for each in threads.map(answers, range(24)) for status in each]
    finally:
        sys.setswitchinterval(usual)
    assert found == [200] * 960


def test_a_client_of_the_caller_is_never_closed() -> None:
    client = httpx.Client(transport=make_transport(Fixed({"ok": True}), library="httpx"))
    assert library_of(client) == "httpx"
    transport = client_transport(client)
    assert transport.handle_request(httpx.Request("GET", URL)).status_code == 200
    transport.close()
    assert not client.is_closed
    client.close()


def test_the_profile_is_found_by_the_address() -> None:
    transport = dialect_transport(base_url="https://api.orq.ai/v3/router")
    assert transport._profile is SERVERS["orq"]
