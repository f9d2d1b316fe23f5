"""A graph goes on when its server refuses a turn: what the server then sees, and what the graph is told."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from responses_adapters.errors import ContextLengthError, UnsupportedByServerError
from responses_adapters.langgraph import ChatResponses, ResponsesNode, responses_retry_on
from responses_adapters.testing import Backend, Refusal

GATEWAY: dict[str, Any] = {"base_url": "https://gw.test/v1", "api_key": "sk-gw"}
THREAD: Any = {"configurable": {"thread_id": "1"}}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def graph(**options: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode("m", **{**GATEWAY, **options}))
    builder.add_edge(START, "model")
    return builder.compile(InMemorySaver())


def says(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def events(app: Any, text: str) -> list[Any]:
    return list(app.stream(says(text), THREAD, stream_mode="custom"))


def recovered(why: str) -> dict[str, Any]:
    return {"type": "responses_adapters.recovered", "why": why}


def context(backend: Backend) -> list[tuple[str, str | None]]:
    return [(item["type"], item.get("id")) for item in backend.contexts[-1]]


def test_sealed_reasoning_that_the_server_can_no_longer_open_is_left_out(
    responses_backend: Backend,
) -> None:
    app = graph(server="openai", store=False, reasoning={"effort": "low"})
    responses_backend.reason("hm", encrypted=True).reply("one")
    app.invoke(says("a"), THREAD)
    responses_backend.store.sealed.clear()  # its key was changed
    responses_backend.reply("two")
    assert events(app, "b") == [
        recovered(
            "the server could not use items by their ids; then the server could not read its own reasoning"
        )
    ]
    assert [request.status for request in responses_backend.requests] == [200, 400, 400, 200]
    kinds = [item["type"] for item in responses_backend.contexts[-1]]
    assert kinds == ["message", "message", "message"]


def test_a_server_that_refuses_to_continue_is_sent_everything_from_then_on(
    responses_backend: Backend,
) -> None:
    backend = responses_backend.configure(refusals=(Refusal("previous_response_id"),))
    app = graph(server="openai")
    for text in ("a", "b", "c"):
        backend.reply(text.upper())
        app.invoke(says(text), THREAD)
    assert [len(request.input) for request in backend.requests] == [1, 1, 3, 5]
    assert backend.contexts[-1].texts == ["a", "A", "b", "B", "c"]


@pytest.mark.responses_backend(server="openrouter")
def test_a_server_of_unknown_kind_that_takes_neither_id_nor_store_still_gets_every_turn(
    responses_backend: Backend,
) -> None:
    app = graph(store=True)
    for number in range(4):
        responses_backend.reply(
            f"answer {number}, long enough to be counted as more than a few tokens"
        )
        app.invoke(says(f"question {number}, and then some words so that it counts"), THREAD)
        assert len(responses_backend.contexts[-1]) == 2 * number + 1
    refused = [request for request in responses_backend.requests if request.status != 200]
    assert len(refused) <= 2


def test_a_parameter_that_means_nothing_is_refused_once(responses_backend: Backend) -> None:
    backend = responses_backend.configure(refusals=(Refusal("parallel_tool_calls"),))
    app = graph(server="openai", tools=[add], parallel_tool_calls=True)
    backend.reply("A")
    backend.reply("B")
    assert events(app, "a") == [recovered("the server refuses parallel_tool_calls")]
    assert events(app, "b") == []
    sent = ["parallel_tool_calls" in request.json for request in backend.requests]
    assert sent == [True, False, False]


def test_a_parameter_that_means_something_is_an_error(responses_backend: Backend) -> None:
    backend = responses_backend.configure(refusals=(Refusal("temperature"),))
    with pytest.raises(UnsupportedByServerError, match="refuses temperature"):
        graph(server="openai", temperature=0.1).invoke(says("a"), THREAD)
    assert len(backend.requests) == 1


@pytest.mark.parametrize("streaming", [False, True])
def test_a_conversation_that_is_too_long_is_langchains_error_too(
    responses_backend: Backend, *, streaming: bool
) -> None:
    responses_backend.fail("context_length_exceeded")
    model = ChatResponses("m", server="openai", streaming=streaming, **GATEWAY)
    with pytest.raises(ContextOverflowError, match="trim, summarise or compact") as caught:
        model.invoke("a")
    assert isinstance(caught.value, ContextLengthError)
    assert not responses_retry_on(caught.value)


def test_the_open_call_of_a_conversation_begun_elsewhere_is_answered(
    responses_backend: Backend,
) -> None:
    responses_backend.call_tool("add", a=1, b=2)
    seed = ChatResponses("m", server="openai", **GATEWAY).bind_tools([add]).invoke("1+2?")
    app = graph(server="openai", tools=[add])
    responses_backend.reply("fine")
    config: Any = {
        "configurable": {"thread_id": "2", "previous_response_id": seed.response_metadata["id"]}
    }
    app.invoke(says("never mind"), config)
    assert [item["type"] for item in responses_backend.contexts[-1]] == [
        "message",
        "function_call",
        "function_call_output",
        "message",
    ]


def test_the_output_of_a_call_made_elsewhere_is_sent_as_one(responses_backend: Backend) -> None:
    responses_backend.call_tool("add", a=1, b=2)
    model = ChatResponses("m", server="openai", **GATEWAY).bind_tools([add])
    seed = model.invoke("1+2?")
    responses_backend.reply("three")
    output = ToolMessage("3", tool_call_id=seed.tool_calls[0]["id"])
    config: Any = {
        "configurable": {"thread_id": "2", "previous_response_id": seed.response_metadata["id"]}
    }
    graph(server="openai", tools=[add]).invoke({"messages": [output]}, config)
    responses_backend.assert_tool_result("add", contains="3")
