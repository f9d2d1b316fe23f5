"""The PydanticAI provider: addresses, keys, event loops, and what bad input says."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from dataclasses import replace
from typing import Any

import httpx
import httpx2
import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelNotFoundError,
    UserError,
)

from responses_adapters import ConfigurationError, ServerProfile, UnknownServerError
from responses_adapters.profiles import SERVERS
from responses_adapters.protocol.transport import pool_transport
from responses_adapters.pydantic_ai import ResponsesModel, ResponsesModelSettings, ResponsesProvider
from responses_adapters.testing import Backend
from responses_adapters.testing.server import ResponsesServer
from responses_adapters.testing.transport import make_transport
from responses_adapters.testing.wire import Fault, Reply, Request


def ask(model: ResponsesModel, prompt: str = "Hello") -> str:
    async def run() -> str:
        return (await Agent(model).run(prompt)).output

    return asyncio.run(run())


def readable(error: BaseException) -> str:
    """The message, which must be one line that a person can read to its end."""
    text = str(error)
    assert "\n" not in text
    assert len(text) < 400
    return text


def test_one_model_serves_several_event_loops_over_a_socket_and_leaves_nothing_open() -> None:
    backend = Backend()
    for number in range(3):
        backend.reply(f"Answer {number}.")
    with ResponsesServer(backend) as server:
        model = ResponsesModel("gpt-4.1", base_url=server.base_url)
        assert [ask(model) for _ in range(3)] == ["Answer 0.", "Answer 1.", "Answer 2."]
        # An unclosed socket would warn here, and warnings are errors.
        gc.collect()


def test_leaving_the_model_closes_its_connections_once_nobody_uses_them() -> None:
    backend = Backend()
    for number in range(3):
        backend.reply(f"Answer {number}.")

    async def run(base_url: str) -> list[int]:
        provider = ResponsesProvider(base_url=base_url)
        agent = Agent(ResponsesModel("gpt-4.1", provider=provider))
        pool = provider._pool
        opened: list[int] = []
        async with provider:
            async with agent:
                await agent.run("One")
            opened.append(len(pool.clients))
            await agent.run("Two")
        opened.append(len(pool.clients))
        await agent.run("Three")
        opened.append(len(pool.clients))
        return opened

    with ResponsesServer(backend) as server:
        assert asyncio.run(run(server.base_url)) == [1, 0, 1]


def test_a_model_collected_while_its_event_loop_is_idle_leaves_nothing_open() -> None:
    backend = Backend()
    backend.on().reply("Hi.").always()

    async def ask_five_times(base_url: str) -> None:
        agent = Agent(ResponsesModel("gpt-4.1", base_url=base_url))
        await asyncio.gather(*(agent.run("Hello") for _ in range(5)))

    with ResponsesServer(backend) as server, asyncio.Runner() as runner:
        for _ in range(2):
            runner.run(ask_five_times(server.base_url))
            gc.collect()  # an open socket would warn, here or below
    gc.collect()


def test_concurrent_first_requests_share_one_pool() -> None:
    backend = Backend()
    for _ in range(8):
        backend.reply("Hi.")

    async def run(base_url: str) -> int:
        provider = ResponsesProvider(base_url=base_url)
        agent = Agent(ResponsesModel("gpt-4.1", provider=provider))
        await asyncio.gather(*(agent.run("Hello") for _ in range(8)))
        return len(provider._pool.clients)

    with ResponsesServer(backend) as server:
        assert asyncio.run(run(server.base_url)) == 1


async def test_a_client_of_the_caller_is_used_and_left_open(responses_backend: Backend) -> None:
    responses_backend.reply("Hi.")
    async with httpx2.AsyncClient(headers={"x-team": "rooms"}) as client:
        model = ResponsesModel("gpt-4.1", base_url="https://gw.test/v1", http_client=client)
        async with Agent(model) as agent:
            await agent.run("Hello")
        assert not client.is_closed
    assert responses_backend.requests[-1].headers["x-team"] == "rooms"


@pytest.mark.parametrize(
    "address",
    [
        {"base_url": "https://gw.test/v1"},
        {"server": "ollama"},
        {"server": "orq", "api_key": "own"},
        {"server": "openai", "base_url": "https://gw.test/v1", "api_key": "own"},
    ],
)
async def test_openai_credentials_stay_with_openai(
    responses_backend: Backend, monkeypatch: pytest.MonkeyPatch, address: dict[str, str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-openai")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-openai")
    responses_backend.reply("Hi.")
    await Agent(ResponsesModel("m", **address)).run("Hello")  # type: ignore[arg-type]
    headers = responses_backend.requests[-1].headers
    assert not [value for value in headers.values() if "openai" in value and "sk-" in value]
    assert "openai-organization" not in headers
    assert "openai-project" not in headers
    assert headers["authorization"] == f"Bearer {address.get('api_key', 'not-needed')}"


async def test_the_openai_key_goes_to_openai(
    responses_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    responses_backend.reply("Hi.")
    await Agent(ResponsesModel("gpt-4.1")).run("Hello")
    assert responses_backend.requests[-1].headers["authorization"] == "Bearer sk-openai"


@pytest.mark.parametrize("reference", [True, False])
async def test_a_mirror_of_openai_is_treated_as_openai_whatever_its_name(
    responses_backend: Backend, monkeypatch: pytest.MonkeyPatch, reference: bool
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-openai")
    mirror = replace(
        SERVERS["openai"], name="mirror", base_url="https://mirror.test/v1", reference=reference
    )
    responses_backend.reply("Hi.")
    model = ResponsesModel("gpt-5", server=mirror, api_key="k")
    await Agent(model).run("Hello")
    assert ("openai-organization" in responses_backend.requests[-1].headers) == reference


async def test_a_known_server_s_address_and_key_come_from_its_environment(
    responses_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALEPH_ALPHA_BASE_URL", "https://pharia.example/v1")
    monkeypatch.setenv("ALEPH_ALPHA_API_KEY", "aa-key")
    responses_backend.reply("Hi.")
    model = ResponsesModel("qwen3-32b-tool", server="aleph-alpha")
    await Agent(model).run("Hello")
    assert model.system == "aleph-alpha"
    assert model.base_url == "https://pharia.example/v1/"
    assert responses_backend.requests[-1].headers["authorization"] == "Bearer aa-key"


def test_redirects_are_answers_because_a_key_must_not_follow_them() -> None:
    seen: list[str] = []

    def elsewhere(request: httpx2.Request) -> httpx2.Response:
        seen.append(str(request.url))
        return httpx2.Response(307, headers={"location": "https://evil.example/v1/responses"})

    pool = pool_transport(
        make_client=lambda: httpx2.Client(transport=httpx2.MockTransport(elsewhere)),
        make_async_client=lambda: httpx2.AsyncClient(transport=httpx2.MockTransport(elsewhere)),
    )

    async def run() -> int:
        async with httpx2.AsyncClient(transport=pool) as client:
            return (await client.get("https://gw.test/v1/responses")).status_code

    with httpx2.Client(transport=pool) as client:
        statuses = [client.get("https://gw.test/v1/responses").status_code, asyncio.run(run())]
    assert statuses == [307, 307]
    assert seen == ["https://gw.test/v1/responses"] * 2


# Pay once: a request is sent again only if the first one cannot have started any work.


class Failing:
    """Fails as told, once for each word, then answers; counts what arrives."""

    def __init__(self, *failures: Fault | int) -> None:
        self.failures = list(failures)
        self.keys: list[str] = []
        self.backend = Backend("openai")
        self.backend.reply("Hi.")

    def handle(self, request: Request) -> Reply:
        self.keys.append(request.headers["idempotency-key"])
        if not self.failures:
            return self.backend.handle(request)
        failure = self.failures.pop(0)
        if isinstance(failure, int):
            return Reply.json(
                failure, {"error": {"message": "no", "type": "x"}}, {"retry-after-ms": "1"}
            )
        return Reply(200, {}, b"", fault=failure)

    def model(self, server: str = "ollama") -> ResponsesModel:
        client = httpx2.AsyncClient(transport=make_transport(self), timeout=5)
        return ResponsesModel(
            "m", server=server, base_url="https://gw.test/v1", api_key="k", http_client=client
        )


@pytest.mark.parametrize("failure", [429, 500, 503, "refuse"])
@pytest.mark.parametrize("streams", [False, True])
async def test_what_was_certainly_not_accepted_is_sent_again(
    failure: Fault | int, streams: bool
) -> None:
    server = Failing(failure)
    agent = Agent(server.model())
    if streams:
        async with agent.run_stream("Hello") as result:
            assert await result.get_output() == "Hi."
    else:
        assert (await agent.run("Hello")).output == "Hi."
    assert len(server.keys) == 2
    assert len(set(server.keys)) == 1


@pytest.mark.parametrize("failure", [504, "disconnect", "stall"])
async def test_what_may_have_been_accepted_is_not_sent_again(failure: Fault | int) -> None:
    server = Failing(failure)
    with pytest.raises(ModelAPIError, match="may have been accepted") as caught:
        await Agent(server.model()).run("Hello")
    readable(caught.value)
    assert len(server.keys) == 1


async def test_a_server_that_honours_the_key_is_simply_asked_again() -> None:
    server = Failing(504)
    server.backend = Backend("valar")
    server.backend.reply("Hi.")
    assert (await Agent(server.model("valar")).run("Hello")).output == "Hi."
    assert len(server.keys) == 2
    assert len(set(server.keys)) == 1


async def test_retries_end_and_so_do_waits_that_are_too_long() -> None:
    for failures, requests in (([503] * 9, 3), ([402], 1)):
        server = Failing(*failures)
        with pytest.raises(ModelAPIError):
            await Agent(server.model()).run("Hello")
        assert len(server.keys) == requests


# Bad input: each says in one line what to do.


def test_an_unknown_server_lists_the_known_ones() -> None:
    with pytest.raises(UnknownServerError, match="Did you mean 'valar'") as caught:
        ResponsesModel("m", server="valarr")
    assert "aleph-alpha" in readable(caught.value)


def test_a_server_without_a_public_address_names_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ALEPH_ALPHA_BASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match="ALEPH_ALPHA_BASE_URL") as caught:
        ResponsesModel("m", server="aleph-alpha")
    readable(caught.value)


def test_a_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VALAR_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="VALAR_API_KEY") as caught:
        ResponsesModel("m", server="valar")
    readable(caught.value)


def test_an_unreachable_address_is_named() -> None:
    model = ResponsesModel(
        "m", base_url="http://127.0.0.1:9/v1", settings=ResponsesModelSettings(max_retries=0)
    )
    with pytest.raises(
        ModelConnectionError, match=r"cannot reach http://127\.0\.0\.1:9/v1"
    ) as caught:
        ask(model)
    readable(caught.value)


async def test_a_wrong_path_is_met_with_the_likely_address() -> None:
    def nothing_here(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(404, json={"detail": "Not Found"})

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(nothing_here))
    model = ResponsesModel("m", base_url="https://gw.test/api/chat", http_client=client)
    with pytest.raises(ModelNotFoundError, match='did you mean base_url="') as caught:
        await Agent(model).run("Hello")
    assert "/v1" in readable(caught.value)


async def test_a_refused_key_names_its_variable(responses_backend: Backend) -> None:
    responses_backend.require_key("right")
    model = ResponsesModel("m", server="orq", api_key="wrong")
    with pytest.raises(ModelAuthenticationError, match="ORQ_API_KEY") as caught:
        await Agent(model).run("Hello")
    assert "wrong" not in readable(caught.value)


async def test_a_key_that_was_not_sent_is_not_called_refused(responses_backend: Backend) -> None:
    responses_backend.require_key("right")
    with pytest.raises(ModelAuthenticationError, match=r"no key was sent.*pass api_key="):
        await Agent(ResponsesModel("m", base_url="https://gw.test/v1")).run("Hello")


async def test_an_unknown_model_is_named_with_the_address(responses_backend: Backend) -> None:
    responses_backend.only_models("gpt-4.1")
    model = ResponsesModel("gtp-4.1", base_url="https://gw.test/v1")
    with pytest.raises(ModelNotFoundError, match=r"'gtp-4\.1' does not exist") as caught:
        await Agent(model).run("Hello")
    assert "https://gw.test/v1" in readable(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("responses_chainning", "responses_chaining"),
        ("openai_previous_respose_id", "openai_previous_response_id"),
        ("temprature", "temperature"),
        ("responses_nonsense", ""),
    ],
)
async def test_a_misspelt_setting_is_refused(name: str, meant: str) -> None:
    model = ResponsesModel("m", base_url="https://gw.test/v1")
    with pytest.raises(UserError, match=f"{name}.*{meant}") as caught:
        await Agent(model, model_settings={name: 1}).run("Hello")  # type: ignore[arg-type]
    readable(caught.value)


async def test_settings_of_other_providers_pass(responses_backend: Backend) -> None:
    responses_backend.reply("Hi.")
    settings = {"anthropic_effort": "low", "google_labels": {}}
    model = ResponsesModel("m", base_url="https://gw.test/v1")
    await Agent(model, model_settings=settings).run("Hello")  # type: ignore[arg-type]


def test_a_server_profile_is_as_good_as_a_name() -> None:
    profile = ServerProfile(name="house", base_url="https://llm.house/v1", needs_key=False)
    model = ResponsesModel("m", server=profile)
    assert (model.system, model.base_url) == ("house", "https://llm.house/v1/")


def test_without_pydantic_ai_the_room_names_the_command_and_no_room_loads_another() -> None:
    blocked = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "pydantic_ai":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
try:
    import responses_adapters.pydantic_ai
except ImportError as error:
    print(type(error).__name__, error)
"""
    loaded = """
import sys, responses_adapters.pydantic_ai
print(sorted({name.split(".")[0] for name in sys.modules} & {"langgraph", "langchain", "langchain_core"}))
"""
    out = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for code in (blocked, loaded)
    ]
    assert out[0].startswith("MissingExtraError")
    assert "pip install 'responses-adapters[pydantic-ai]'" in out[0]
    assert out[1].strip() == "[]"


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_synchronous_client_is_refused_before_anything_is_sent(library: Any) -> None:
    class Own(library.Client):  # type: ignore[misc]
        pass

    with (
        Own() as client,
        pytest.raises(ConfigurationError, match="has to be an AsyncClient") as caught,
    ):
        ResponsesModel("m", base_url="https://gw.test/v1", http_client=client)
    assert readable(caught.value)


def test_a_client_that_only_looks_like_one_is_taken() -> None:
    class Traced:
        """Hands everything on to a client."""

        def __init__(self) -> None:
            self.client = httpx2.AsyncClient(transport=make_transport(Backend()))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.client, name)

    traced: Any = Traced()
    assert ResponsesProvider(base_url="https://gw.test/v1", http_client=traced).client
