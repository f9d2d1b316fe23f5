"""Header values of a call reach the server, and nobody who watches or caches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage

from responses_adapters.langgraph import ChatResponses
from responses_adapters.testing import Backend

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

Call = Callable[[ChatResponses, Any], Awaitable[Any]]
HEADERS = {"extra_headers": {"X-Turn": "pl4nted"}}


class Tracer(BaseCallbackHandler):
    def __init__(self) -> None:
        self.told = ""

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.told += repr((args, kwargs))


async def invoke(model: ChatResponses, config: Any) -> None:
    model.invoke("hi", config, **HEADERS)


async def ainvoke(model: ChatResponses, config: Any) -> None:
    await model.ainvoke("hi", config, **HEADERS)


async def stream(model: ChatResponses, config: Any) -> None:
    list(model.stream("hi", config, **HEADERS))


async def astream(model: ChatResponses, config: Any) -> None:
    [chunk async for chunk in model.astream("hi", config, **HEADERS)]


async def generate(model: ChatResponses, config: Any) -> None:
    model.generate([[HumanMessage("hi")]], callbacks=config["callbacks"], **HEADERS)


async def agenerate(model: ChatResponses, config: Any) -> None:
    await model.agenerate([[HumanMessage("hi")]], callbacks=config["callbacks"], **HEADERS)


async def events(model: ChatResponses, config: Any) -> None:
    _ = model.stream_events("hi", config, version="v3", **HEADERS).output


async def aevents(model: ChatResponses, config: Any) -> None:
    await (await model.astream_events("hi", config, version="v3", **HEADERS)).output


async def aevents_v2(model: ChatResponses, config: Any) -> None:
    [event async for event in model.astream_events("hi", config, version="v2", **HEADERS)]


@pytest.mark.parametrize(
    "call",
    [invoke, ainvoke, stream, astream, generate, agenerate, events, aevents, aevents_v2],
)
async def test_tracers_do_not_see_header_values(call: Call, responses_backend: Backend) -> None:
    responses_backend.reply("hi")
    tracer = Tracer()
    model = ChatResponses("m", server="openai", base_url="https://gw.test/v1", api_key="sk-gw")
    await call(model, {"callbacks": [tracer]})
    assert responses_backend.creates[-1].headers["x-turn"] == "pl4nted"
    assert "X-Turn" in tracer.told
    assert "pl4nted" not in tracer.told


def test_a_cache_does_not_see_header_values(responses_backend: Backend) -> None:
    responses_backend.reply("hi")
    cache = InMemoryCache()
    model = ChatResponses("m", server="openai", api_key="sk-gw", cache=cache)
    model.invoke("hi", **HEADERS)
    assert len(cache._cache) == 1
    assert "pl4nted" not in repr(cache._cache)


def test_tenants_told_apart_by_a_header_share_no_cached_answer(responses_backend: Backend) -> None:
    responses_backend.reply("for one").then.reply("for two")
    model = ChatResponses("m", base_url="https://gw.test/v1", api_key="k", cache=InMemoryCache())
    said = [
        model.invoke("hi", extra_headers={"X-Tenant": tenant}).text
        for tenant in ("one", "two", "one")
    ]
    assert said == ["for one", "for two", "for one"]
