"""Every error of this room says which response, which server, and what to do next."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import RetryPolicy

from responses_adapters import errors
from responses_adapters.errors import (
    AmbiguousSubmitError,
    BackgroundTimeoutError,
    ChainLostError,
    ConfigurationError,
    ContextLengthError,
    ContextMismatchError,
    DanglingToolCallError,
    MaxIterationsError,
    MissingExtraError,
    NotStrictError,
    ResponseFailedError,
    ResponseIncompleteError,
    ResponsesAdapterError,
    ResponseTooLargeError,
    StreamTruncatedError,
    ToolConversionError,
    UnknownServerError,
    UnsupportedByServerError,
)
from responses_adapters.langgraph import Background, ChatResponses, ResponsesNode
from responses_adapters.langgraph.call import ChatContextLengthError
from responses_adapters.testing import Backend

GATEWAY: dict[str, Any] = {"base_url": "https://gw.test/v1", "api_key": "sk-gw", "server": "openai"}
OPEN_SCHEMA: dict[str, Any] = {
    "title": "Note",
    "type": "object",
    "properties": {"tags": {"type": "object", "additionalProperties": {"type": "string"}}},
}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def chat(**options: Any) -> ChatResponses:
    return ChatResponses("m", **{**GATEWAY, **options})


def graph(**options: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode("m", tools=[add], **{**GATEWAY, **options}))
    builder.add_node("tools", ToolNode([add]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    return builder.compile()


def says(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def two_turns(backend: Backend, model: ChatResponses) -> None:
    """The second turn continues the first; an error of it names the first response."""
    answer = model.invoke("a")
    model.invoke([HumanMessage("a"), answer, HumanMessage("b")])


def missing_extra(backend: Backend) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "langchain.agents.middleware", None)
        patch.delitem(sys.modules, "responses_adapters.langgraph.middleware", raising=False)
        importlib.import_module("responses_adapters.langgraph.middleware")


def unknown_server(backend: Backend) -> None:
    chat(server="opnai")


def misspelt(backend: Backend) -> None:
    chat().invoke("a", temprature=0)


def unsupported(backend: Backend) -> None:
    chat(server="valar").invoke("a", parallel_tool_calls=False)


def chain_lost(backend: Backend) -> None:
    chat().invoke("a", previous_response_id="resp_gone")


def context_ignored(backend: Backend) -> None:
    backend.ignore_previous_id().reply("one").then.reply("two")
    two_turns(backend, chat(chaining="always"))


def too_long(backend: Backend) -> None:
    backend.reply("one")
    answer = chat().invoke("a")
    backend.fail("context_length_exceeded")
    chat().invoke([HumanMessage("a"), answer, HumanMessage("b")])


def submit_ambiguous(backend: Backend) -> None:
    backend.reply("one")
    answer = chat().invoke("a")
    backend.disconnect()
    chat().invoke([HumanMessage("a"), answer, HumanMessage("b")])


def failed(backend: Backend) -> None:
    backend.reply("half").fail_turn("server_error", "The model failed.")
    chat().invoke("a")


def incomplete(backend: Backend) -> None:
    backend.reply("half").incomplete()
    chat(on_incomplete="raise").invoke("a")


def too_large(backend: Backend) -> None:
    backend.reply("one two three")
    list(chat(max_response_bytes=1_500).stream("a"))


def truncated(backend: Backend) -> None:
    backend.reply("one two three").truncate(after=6)
    list(chat(store=False).stream("a"))


def timed_out(backend: Backend) -> None:
    backend.background(polls=10_000).reply("never")
    graph(background=Background(poll_interval=0.001, poll_timeout=0.003)).invoke(says("a"))


def dangling(backend: Backend) -> None:
    backend.call_tool("add", a=1, b=2)
    two_turns(backend, chat(on_dangling_calls="raise"))


def endless(backend: Backend) -> None:
    backend.call_tool("add", a=1, b=2)
    graph(max_iterations=1).invoke(says("forever"))


def not_strict(backend: Backend) -> None:
    chat().bind_tools([OPEN_SCHEMA], strict=True)


def no_tool(backend: Backend) -> None:
    chat().bind_tools([42])


FIRST, NONE = "the first response", None

RAISED: list[tuple[Callable[[Backend], None], type[ResponsesAdapterError], Any, Any, str]] = [
    (
        missing_extra,
        MissingExtraError,
        NONE,
        NONE,
        r"pip install 'responses-adapters\[langchain\]'",
    ),
    (unknown_server, UnknownServerError, NONE, NONE, "Did you mean 'openai'"),
    (misspelt, ConfigurationError, NONE, NONE, "did you mean 'temperature'"),
    (unsupported, UnsupportedByServerError, NONE, "valar", "leave it out"),
    (chain_lost, ChainLostError, "resp_gone", "openai", "start over without"),
    (too_long, ContextLengthError, FIRST, "openai", "trim, summarise or compact it"),
    (context_ignored, ContextMismatchError, FIRST, "openai", "chaining='never'"),
    (submit_ambiguous, AmbiguousSubmitError, FIRST, "openai", "look there before sending it"),
    (failed, ResponseFailedError, FIRST, "openai", "ended as failed: The model failed"),
    (incomplete, ResponseIncompleteError, FIRST, "openai", "raise max_output_tokens"),
    (too_large, ResponseTooLargeError, FIRST, "openai", "raise max_response_bytes="),
    (truncated, StreamTruncatedError, FIRST, "openai", "run the turn again"),
    (timed_out, BackgroundTimeoutError, FIRST, "openai", "raise poll_timeout, or retrieve it"),
    (dangling, DanglingToolCallError, FIRST, "openai", "run the tool, or answer it"),
    (endless, MaxIterationsError, FIRST, "openai", "raise the limit, or look at"),
    (not_strict, NotStrictError, NONE, NONE, "additionalProperties"),
    (no_tool, ToolConversionError, NONE, NONE, "42"),
]


@pytest.mark.parametrize(
    ("provoke", "kind", "response_id", "server", "advice"),
    RAISED,
    ids=[kind.__name__ for _, kind, *_ in RAISED],
)
def test_the_error_names_response_server_and_next_step(
    provoke: Callable[[Backend], None],
    kind: type[ResponsesAdapterError],
    response_id: str | None,
    server: str | None,
    advice: str,
    responses_backend: Backend,
) -> None:
    with pytest.raises(kind, match=advice) as caught:
        provoke(responses_backend)
    error = caught.value
    assert type(error) in {kind, ChatContextLengthError}
    if response_id is FIRST:
        response_id = responses_backend.creates[0].response_id
    assert (error.response_id, error.server) == (response_id, server)
    assert "sk-gw" not in str(error)


def test_no_error_of_the_tree_is_left_out() -> None:
    bases = {"ResponsesAdapterError", "ToolError"}
    assert {kind.__name__ for _, kind, *_ in RAISED} == {*errors.__all__} - bases


NOT_IN_A_RUN = {MissingExtraError, NotStrictError, ToolConversionError}
"""Raised where a model or a tool is made."""


@pytest.mark.parametrize(
    "kind", sorted({kind for _, kind, *_ in RAISED} - NOT_IN_A_RUN, key=lambda kind: kind.__name__)
)
def test_a_plain_retry_policy_tries_again_only_what_that_can_help(kind: type[Exception]) -> None:
    retries: Any = RetryPolicy().retry_on
    helps = BackgroundTimeoutError | ResponseFailedError | StreamTruncatedError
    assert retries(kind("no")) is issubclass(kind, helps)


def test_a_plain_retry_policy_does_not_pay_twice(responses_backend: Backend) -> None:
    responses_backend.reply("lost").disconnect()
    graph = StateGraph(MessagesState)
    graph.add_node("model", ResponsesNode("m", **GATEWAY), retry_policy=RetryPolicy())
    graph.add_edge(START, "model")
    with pytest.raises(AmbiguousSubmitError):
        graph.compile().invoke({"messages": [HumanMessage("hi")]})
    assert len(responses_backend.creates) == 1
