"""Planted keys, headers and variables turn up nowhere but at the server they are for."""

from __future__ import annotations

import contextlib
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import openai
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic_ai import Agent, capture_run_messages
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.messages import ModelMessagesTypeAdapter
from pydantic_ai.models.instrumented import InstrumentationSettings

from responses_adapters.endpoints import resolve_endpoint
from responses_adapters.langgraph import Background, ChatResponses, ResponsesNode, explain_turns
from responses_adapters.pydantic_ai import ResponsesModel, ResponsesModelSettings, ResponsesProvider
from responses_adapters.testing import Backend, ResponsesServer
from responses_adapters.testing.record import record_into
from responses_adapters.testing.transport import make_transport

PLANTED = "pl4nted"
KEY = f"sk-{PLANTED}-key"
HEADER = f"{PLANTED}-header"
VARIABLE = f"{PLANTED}-variable"
STAMPS = f"{PLANTED}-stamp-secret"
OTHERS = {
    name: f"{PLANTED}-{name}"
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ORQ_API_KEY")
}

FAULTS: dict[str, Callable[[Backend], Any]] = {
    "none": lambda be: be,
    "401": lambda be: be.fail(401, f"Incorrect API key provided: {KEY[:6]}***.", times=9),
    "400": lambda be: be.fail(400, times=9),
    "404": lambda be: be.fail(404, "Not Found", times=9),
    "429": lambda be: be.fail(429, times=9),
    "500": lambda be: be.fail(500, retry_after=0.001, times=9),
    "page": lambda be: be.fail(502, body="<html>", retry_after=0.001, times=9),
    "redirect": lambda be: be.fail(307, headers={"location": "https://elsewhere.test"}, times=9),
    "refused": lambda be: [be.refuse_connection() for _ in range(3)],
    "lost": lambda be: be.disconnect(),
    "silence": lambda be: be.stall(),
    "cut": lambda be: be.cut_line(0),
    "malformed": lambda be: be.malformed(2),
    "error event": lambda be: be.error_event(after=2),
    "truncated": lambda be: be.truncate(3),
    "too large": lambda be: be,
    "forgotten": lambda be: be.ignore_previous_id(),
}


@dataclass
class Scene:
    """Everything that one run leaves behind."""

    backend: Backend = field(default_factory=lambda: Backend("openai", brain=speak))
    left: dict[str, str] = field(default_factory=dict)

    def leave(self, where: str, what: object) -> None:
        self.left[where] = what if isinstance(what, str) else repr(what)

    def leave_error(self, error: BaseException) -> None:
        """The error as loggers show it, with its causes, and as it is sent to another process."""
        self.leave("traceback", "".join(traceback.format_exception(error)))
        chain: list[Any] = []
        known: BaseException | None = error
        while known is not None and len(chain) < 20:
            chain += [str(known), repr(known), vars(known)]
            with contextlib.suppress(Exception):
                self.leave(f"pickle of {type(known).__name__}", repr(pickle.dumps(known)))
            known = known.__cause__ or known.__context__
        self.leave("errors", repr(chain))

    def assert_clean(self) -> None:
        found = [where for where, text in self.left.items() if PLANTED in text.lower()]
        assert not found, {where: around(self.left[where]) for where in found}


def speak(context: Any) -> Any:
    from responses_adapters.testing import Turn

    looked = any(item.get("type") == "function_call_output" for item in context)
    return Turn().call_tool("look", room="Birch") if context.tools and not looked else "It is free."


def around(text: str) -> str:
    at = text.lower().index(PLANTED)
    return text[max(0, at - 120) : at + 60]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    for name, value in OTHERS.items():
        monkeypatch.setenv(name, value)
    return Scene()


@pytest.fixture
def logs() -> Iterator[Callable[[], str]]:
    """All that is logged: by the SDK and the HTTP library from INFO on, by everybody else from DEBUG on."""
    records: list[logging.LogRecord] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    keeper, root = Keeper(logging.DEBUG), logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "openai", "httpx", "httpx2")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.INFO if name else logging.DEBUG)
    root.addHandler(keeper)
    format_ = logging.Formatter("%(message)s").format
    yield lambda: "\n".join(
        format_(each) for each in records if each.name.split(".")[0] != "httpcore2"
    )
    root.removeHandler(keeper)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def look(room: str) -> str:
    """Look a room up."""
    return "free"


class Tracer(BaseCallbackHandler):
    """Notes all that LangChain tells a tracer."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_"):
            return lambda *args, **kwargs: self.told.append((name, args, kwargs))
        return super().__getattribute__(name)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
async def test_secrets_stay_out_of_a_graph(
    fault: str, stream: bool, scene: Scene, logs: Callable[[], str], tmp_path: Any
) -> None:
    transport = make_transport(scene.backend)
    model = ChatResponses(
        "m",
        server="openai",
        base_url="https://gateway.test/v1",
        api_key=KEY,
        stamp_secret=STAMPS,
        default_headers={"X-Gateway-Key": HEADER},
        http_async_client=openai.DefaultAsyncHttpxClient(transport=transport),
        **({"max_response_bytes": 2_000} if fault == "too large" else {}),
    )
    node = ResponsesNode(model, tools=[look], model_settings={"extra_headers": {"X-Turn": HEADER}})
    saver, tracer = InMemorySaver(), Tracer()
    builder = StateGraph(MessagesState)
    builder.add_node("model", node)
    builder.add_node("tools", ToolNode([look]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    graph = builder.compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "1"}, "callbacks": [tracer]}
    heard: list[Any] = []
    try:
        if fault != "too large":
            await graph.ainvoke({"messages": [HumanMessage("Hello")]}, config)
        FAULTS[fault](scene.backend)
        question = {"messages": [HumanMessage("And?")]}
        if stream:
            modes = ["messages", "values", "updates", "custom", "debug"]
            heard += [part async for part in graph.astream(question, config, stream_mode=modes)]
        else:
            await graph.ainvoke(question, config)
    except Exception as error:  # noqa: BLE001 - whatever it is
        scene.leave_error(error)

    sent = [dict(each.headers) for each in scene.backend.requests]
    assert {each["authorization"] for each in sent} == {f"Bearer {KEY}"}
    assert {each["x-gateway-key"] for each in sent} | {each["x-turn"] for each in sent} == {HEADER}
    state = graph.get_state(config)
    scene.leave("events", heard)
    scene.leave("traces", tracer.told)
    scene.leave("state", state)
    scene.leave("checkpoints", [vars(saver)[name] for name in ("storage", "writes", "blobs")])
    scene.leave("pickled messages", repr(pickle.dumps(state.values)))
    scene.leave("serialised messages", dumps(state.values))
    scene.leave("explained", explain_turns(graph, config))
    scene.leave("model", [model, str(model), model.model_dump(), model._identifying_params])
    scene.leave("serialised model", dumps(model))
    scene.leave("connection", [model._connection, vars(model._connection)["scope"]])
    scene.leave("bodies", [each.body for each in scene.backend.requests])
    scene.leave("logs", logs())
    scene.assert_clean()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
async def test_secrets_stay_out_of_an_agent(
    fault: str, stream: bool, scene: Scene, logs: Callable[[], str]
) -> None:
    spans = InMemorySpanExporter()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    sender = httpx2.AsyncClient(
        transport=make_transport(scene.backend), headers={"X-Gateway-Key": HEADER}
    )
    provider = ResponsesProvider(
        "openai",
        base_url="https://gateway.test/v1",
        api_key=KEY,
        http_client=sender,
        **({"max_response_bytes": 2_000} if fault == "too large" else {}),
    )
    model = ResponsesModel("m", provider=provider, history_digest_key=STAMPS.encode())
    traced = Instrumentation(InstrumentationSettings(tracer_provider=tracing))
    agent: Agent[None, str] = Agent(model, capabilities=[traced])
    agent.tool_plain(look)
    history: list[Any] = []
    with capture_run_messages() as captured:
        try:
            if fault != "too large":
                history = (await agent.run("Hello")).all_messages()
            FAULTS[fault](scene.backend)
            if stream:
                async with agent.run_stream("And?", message_history=history) as result:
                    await result.get_output()
                    history = result.all_messages()
            else:
                history = (await agent.run("And?", message_history=history)).all_messages()
        except Exception as error:  # noqa: BLE001 - whatever it is
            scene.leave_error(error)

    sent = [dict(each.headers) for each in scene.backend.requests]
    assert {each["authorization"] for each in sent} == {f"Bearer {KEY}"}
    assert {each["x-gateway-key"] for each in sent} == {HEADER}
    scene.leave("messages", [history, captured])
    scene.leave("stored history", ModelMessagesTypeAdapter.dump_json(history).decode())
    scene.leave("pickled history", repr(pickle.dumps(history)))
    scene.leave("spans", [span.to_json() for span in spans.get_finished_spans()])
    scene.leave("model", [model, str(model), provider, str(provider), agent])
    scene.leave("bodies", [each.body for each in scene.backend.requests])
    scene.leave("logs", logs())
    scene.assert_clean()


@pytest.mark.parametrize("fault", ["none", "400", "500", "lost"])
async def test_secret_variables_are_in_the_request_and_nowhere_else(
    fault: str, scene: Scene, logs: Callable[[], str]
) -> None:
    scene.backend = Backend("orq", brain=speak)
    sender = httpx2.AsyncClient(transport=make_transport(scene.backend))
    secret = {"token": {"secret": True, "value": VARIABLE}}
    provider = ResponsesProvider("orq", api_key=KEY, http_client=sender, variables=secret)
    agent = Agent(ResponsesModel("openai/gpt-5", provider=provider))
    history: list[Any] = []
    try:
        history = (await agent.run("Hello")).all_messages()
        FAULTS[fault](scene.backend)
        history = (await agent.run("And?", message_history=history)).all_messages()
    except Exception as error:  # noqa: BLE001 - whatever it is
        scene.leave_error(error)
    assert all(each.json["variables"] == secret for each in scene.backend.creates)
    scene.leave("stored history", ModelMessagesTypeAdapter.dump_json(history).decode())
    scene.leave("provider", [provider, str(provider), agent, agent.model])
    scene.leave("logs", logs())
    scene.assert_clean()


async def test_a_background_response_leaves_no_secret_with_the_graph(scene: Scene) -> None:
    saver = InMemorySaver()
    node = ResponsesNode(
        "m",
        server="openai",
        base_url="https://gateway.test/v1",
        api_key=KEY,
        default_headers={"X-Gateway-Key": HEADER},
        background=Background(wait="interrupt"),
        http_async_client=openai.DefaultAsyncHttpxClient(transport=make_transport(scene.backend)),
    )
    builder = StateGraph(MessagesState)
    builder.add_node("model", node)
    builder.add_edge(START, "model")
    graph = builder.compile(checkpointer=saver)
    parked = await graph.ainvoke(
        {"messages": [HumanMessage("Hello")]}, {"configurable": {"thread_id": "1"}}
    )
    scene.leave("state", parked)
    scene.leave("checkpoints", [vars(saver)[name] for name in ("storage", "writes", "blobs")])
    assert "resp_" in scene.left["checkpoints"]
    scene.assert_clean()


async def test_a_background_job_leaves_no_secret_in_the_history(scene: Scene) -> None:
    sender = httpx2.AsyncClient(transport=make_transport(scene.backend))
    settings = ResponsesModelSettings(openai_background=True, responses_poll_interval=0.0)
    provider = ResponsesProvider("openai", api_key=KEY, http_client=sender)
    agent = Agent(ResponsesModel("m", provider=provider, settings=settings))
    history = (await agent.run("Hello")).all_messages()
    scene.leave("history", ModelMessagesTypeAdapter.dump_json(history).decode())
    scene.assert_clean()


def test_a_recording_holds_no_secret(scene: Scene, tmp_path: Any) -> None:
    scene.backend = Backend("orq", brain=speak)
    script = tmp_path / "talk.yaml"
    with (
        ResponsesServer(scene.backend) as upstream,
        record_into(script, resolve_endpoint(base_url=upstream.base_url, api_key=KEY)) as recorder,
    ):
        model = ChatResponses(
            "openai/gpt-5",
            server="orq",
            base_url=recorder.base_url,
            api_key=KEY,
            default_headers={"X-Api-Key": HEADER},
            extra_body={"variables": {"token": {"secret": True, "value": VARIABLE}}},
        )
        with contextlib.suppress(openai.APIError):
            model.invoke("Hello")
        scene.backend.fail(401, f"Incorrect API key provided: {KEY}.")
        with contextlib.suppress(openai.APIError):
            model.invoke("And?")
    assert VARIABLE.encode() in scene.backend.requests[0].body
    scene.leave("script", script.read_text())
    assert scene.backend.requests[0].headers["authorization"] == f"Bearer {KEY}"
    scene.assert_clean()
