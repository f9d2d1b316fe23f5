"""Both drivers carry out the same exchange over a real SDK client, and errors read like advice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import openai
import pytest

from responses_adapters import AmbiguousSubmitError
from responses_adapters.endpoints import NO_KEY
from responses_adapters.profiles import SERVERS
from responses_adapters.protocol.chain import Entry, Ledger
from responses_adapters.protocol.client import AsyncResponsesClient, ResponsesClient
from responses_adapters.protocol.turn import Event, Outcome, Turn
from responses_adapters.testing import Backend
from responses_adapters.testing.transport import async_openai_client, openai_client

Run = Callable[[Turn], list[Event | Outcome]]


def turn(*texts: str, **options: Any) -> Turn:
    groups = [[{"type": "message", "role": "user", "content": text}] for text in texts]
    entries = [Entry(text.encode()) for text in texts]
    return Turn(
        **{
            "body": {"model": "m"},
            "ledger": Ledger(entries, key=b"k", chain="c", scope="s"),
            "groups": lambda start: groups[start:],
            "profile": SERVERS["openai"],
            "max_retries": 0,
            **options,
        }
    )


def sync_run(backend: Backend, **options: Any) -> Run:
    client = ResponsesClient(sdk=openai_client(backend), **options)
    return lambda prepared: list(client.run(prepared))


def async_run(backend: Backend, **options: Any) -> Run:
    def run(prepared: Turn) -> list[Event | Outcome]:
        async def collect() -> list[Event | Outcome]:
            client = AsyncResponsesClient(sdk=async_openai_client(backend), **options)
            return [step async for step in client.run(prepared)]

        return asyncio.run(collect())

    return run


@dataclass
class Driver:
    backend: Backend
    make: Callable[..., Run]

    def run(self, prepared: Turn, **options: Any) -> list[Any]:
        return self.make(self.backend, **options)(prepared)


@pytest.fixture(params=[sync_run, async_run], ids=["sync", "async"])
def driver(request: pytest.FixtureRequest) -> Driver:
    return Driver(Backend(), request.param)


def test_an_answer_is_the_outcome(driver: Driver) -> None:
    driver.backend.reply("Hello.")
    (outcome,) = driver.run(turn("hi"))
    assert outcome.response["output"][0]["content"][0]["text"] == "Hello."
    assert outcome.bytes_sent == len(driver.backend.requests[-1].body)


def test_events_arrive_in_order_and_the_outcome_last(driver: Driver) -> None:
    driver.backend.reply("Hello there.")
    *events, outcome = driver.run(turn("hi", stream=True))
    text = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    assert text == "Hello there."
    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"] == outcome.response


def test_every_attempt_at_one_call_has_the_same_key(driver: Driver) -> None:
    driver.backend.fail(503, retry_after=0.001)
    driver.backend.reply("Hello.")
    driver.run(turn("hi", max_retries=1))
    first, second = (request.headers["idempotency-key"] for request in driver.backend.requests)
    assert first == second


@pytest.mark.parametrize(
    ("fault", "kind", "advice"),
    [
        (
            {"status": 404, "message": "Not Found"},
            openai.NotFoundError,
            "there is no Responses API: has the server got one",
        ),
        (
            {"status": 405, "message": "Use GET."},
            openai.APIStatusError,
            "there is no Responses API: has the server got one",
        ),
        ({"status": 401, "message": "no"}, openai.AuthenticationError, "check api_key= or MY_KEY"),
        (
            {"status": 404, "code": "model_not_found"},
            openai.NotFoundError,
            "the model 'm' does not",
        ),
        ({"status": 400, "message": "Bad n."}, openai.BadRequestError, "400 at http"),
        ({"status": 307}, openai.APIStatusError, "set base_url= to the final address"),
    ],
)
def test_errors_keep_their_class_and_say_what_to_do(
    driver: Driver, fault: dict[str, Any], kind: type[Exception], advice: str
) -> None:
    driver.backend.fail(**fault)
    with pytest.raises(kind, match=advice) as caught:
        driver.run(turn("hi"), api_key_env="MY_KEY")
    assert len(str(caught.value).splitlines()) == 1
    assert "fake-key" not in str(caught.value)


def test_an_address_that_nobody_answers_is_named(driver: Driver) -> None:
    driver.backend.refuse_connection()
    with pytest.raises(
        openai.APIConnectionError, match=r"cannot reach http.*is the server running"
    ):
        driver.run(turn("hi"))


def test_a_refused_connection_is_tried_again(driver: Driver) -> None:
    driver.backend.refuse_connection().reply("Hello.")
    assert driver.run(turn("hi", max_retries=1))[-1].requests == 2


def test_a_connection_lost_after_the_request_was_sent_is_ambiguous(driver: Driver) -> None:
    driver.backend.disconnect()
    with pytest.raises(AmbiguousSubmitError, match="may be running"):
        driver.run(turn("hi", max_retries=2))
    assert len(driver.backend.requests) == 1


def test_a_stream_cut_without_its_end_is_finished_by_id(driver: Driver) -> None:
    driver.backend.reply("Hello there.").truncate(after=5)
    outcome = driver.run(turn("hi", stream=True))[-1]
    assert outcome.response["status"] == "completed"
    assert [request.method for request in driver.backend.requests] == ["POST", "GET"]


def test_leaving_a_stream_early_gives_the_connection_back() -> None:
    backend = Backend()
    backend.reply("Hello there, dear reader.")
    run = ResponsesClient(sdk=openai_client(backend)).run(turn("hi", stream=True))
    next(iter(run))
    run.close()
    assert backend.requests[-1].disconnected


@pytest.mark.parametrize(
    ("base_url", "meant"),
    [
        ("http://gw", "http://gw/v1"),
        ("http://gw/v1/chat/completions", "http://gw/v1"),
        ("http://gw/api/v1/extra", "http://gw/api/v1"),
        ("https://gw:8443/openai", "https://gw:8443/openai/v1"),
        ("https://gw/openai/deployments/mine", "https://gw/openai/v1"),
        ("https://gw/v2/responses", "https://gw/v2"),
    ],
)
def test_the_likely_address_is_suggested(base_url: str, meant: str) -> None:
    backend = Backend()
    backend.fail(404, message="Not Found")
    sdk = openai_client(backend, base_url=base_url)
    with pytest.raises(openai.NotFoundError, match=f'did you mean base_url="{meant}"'):
        ResponsesClient(sdk=sdk).complete(turn("hi"))


@pytest.mark.parametrize("path", ["v1", "api/v1", "v2", "v1beta", "v3/router"])
def test_an_address_with_a_version_is_not_proposed_again(path: str) -> None:
    backend = Backend()
    backend.fail(404, message="Not Found")
    sdk = openai_client(backend, base_url=f"http://gw/{path}")
    with pytest.raises(openai.NotFoundError, match="is it at another address") as caught:
        ResponsesClient(sdk=sdk).complete(turn("hi"))
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "why"), [("OPENAI_API_KEY", "OPENAI_BASE_URL only"), ("X", "")]
)
def test_a_key_that_was_not_sent_is_not_called_refused(
    variable: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv(variable, "sk-right")
    backend = Backend()
    backend.require_key("sk-right")
    sdk = openai_client(backend, base_url="http://gw/v1", api_key=NO_KEY)
    with pytest.raises(openai.AuthenticationError, match="no key was sent") as caught:
        ResponsesClient(sdk=sdk).complete(turn("hi"))
    assert "pass api_key=" in str(caught.value)
    assert why in str(caught.value)
    assert "sk-right" not in str(caught.value)
