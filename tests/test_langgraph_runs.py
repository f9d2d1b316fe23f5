"""What may differ from run to run: instructions, settings, keys and tenants, of state and runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from responses_adapters.errors import ConfigurationError
from responses_adapters.langgraph import ResponsesNode
from responses_adapters.testing import Backend

GATEWAY: dict[str, Any] = {"base_url": "https://gw.test/v1", "api_key": "sk-gw", "server": "openai"}
THREAD: Any = {"configurable": {"thread_id": "1"}}


def node(**options: Any) -> ResponsesNode:
    return ResponsesNode("m", **{**GATEWAY, **options})


def graph(model: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("model", model)
    builder.add_edge(START, "model")
    return builder.compile(checkpointer=InMemorySaver())


def says(text: str) -> Any:
    return {"messages": [HumanMessage(text)]}


async def prompt_from_afar(state: Any, runtime: Any) -> str:
    return f"Answer {len(state['messages'])}."


async def settings_from_afar(state: Any, runtime: Any) -> dict[str, Any]:
    return {"temperature": 0.5}


async def test_instructions_and_settings_may_be_awaited(responses_backend: Backend) -> None:
    responses_backend.reply("a")
    app = graph(node(instructions=prompt_from_afar, model_settings=settings_from_afar))
    await app.ainvoke(says("1"), THREAD)
    body = responses_backend.creates[0].json
    assert (body["instructions"], body["temperature"]) == ("Answer 1.", 0.5)


def test_a_synchronous_run_says_that_it_cannot_await_them() -> None:
    app = graph(node(instructions=prompt_from_afar))
    with pytest.raises(ConfigurationError, match=r"prompt_from_afar\(\) is asynchronous: run the"):
        app.invoke(says("1"), THREAD)


def test_outside_of_graphs_the_runtime_is_empty(responses_backend: Backend) -> None:
    responses_backend.reply("a")
    model = node(instructions=lambda state, runtime: f"For {runtime.context}.")
    model.invoke(says("1"))
    assert responses_backend.contexts[0].instructions == "For None."


@dataclass
class Tenant:
    key: str
    name: str


def test_a_run_may_bring_its_key_tenant_and_variables_and_leaves_none_of_them_behind(
    responses_backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    responses_backend.reply("a").then.reply("b")
    responses_backend.configure(unknown_parameters="ignored")

    def settings(state: Any, runtime: Any) -> dict[str, Any]:
        return {
            "extra_headers": {"Authorization": f"Bearer {runtime.context.key}"},
            "request_metadata": {"tenant": runtime.context.name},
            "extra_body": {"variables": {"token": {"secret": True, "value": "s3cr3t"}}},
        }

    builder = StateGraph(MessagesState, context_schema=Tenant)
    builder.add_node("model", node(model_settings=settings))
    builder.add_edge(START, "model")
    app = builder.compile(checkpointer=InMemorySaver())
    events = [
        str(event)
        for tenant in (Tenant("sk-ann", "ann"), Tenant("sk-bob", "bob"))
        for event in app.stream(
            says("1"), THREAD, context=tenant, stream_mode=["updates", "custom", "messages"]
        )
    ]
    sent = [(each.headers["authorization"], each.json) for each in responses_backend.creates]
    assert [key for key, _ in sent] == ["Bearer sk-ann", "Bearer sk-bob"]
    assert [body["metadata"] for _, body in sent] == [{"tenant": "ann"}, {"tenant": "bob"}]
    assert [body["variables"]["token"]["value"] for _, body in sent] == ["s3cr3t"] * 2
    kept = [str((each.values, each.metadata)) for each in app.get_state_history(THREAD)]
    said = "".join([*events, *kept, caplog.text])
    assert not any(secret in said for secret in ("sk-ann", "sk-bob", "s3cr3t"))
