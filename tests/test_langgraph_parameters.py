"""Every parameter of the API is an option: of a node, of a call, and of a run."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import pytest
from langchain_core.messages import HumanMessage
from langgraph.graph import START, MessagesState, StateGraph
from openai.resources.responses import Responses
from pydantic import BaseModel

from asking import send
from responses_adapters.langgraph import ChatResponses, ResponsesNode
from responses_adapters.langgraph.options import RequestOptions
from responses_adapters.testing import Backend

GATEWAY: dict[str, Any] = {"base_url": "https://gw.test/v1", "api_key": "sk-gw", "server": "openai"}
QUESTION = {"messages": [HumanMessage("hi")]}


class Room(BaseModel):
    name: str


class Sent(NamedTuple):
    """An option's value, and where in the request it is to be found."""

    value: Any
    path: str
    wire: Any = None

    @property
    def expected(self) -> Any:
        return self.value if self.wire is None else self.wire


PARAMETERS = {
    "access_programs": Sent({"health": {"enabled": True}}, "access_programs"),
    "background": Sent(True, "background"),
    "background_options": Sent({"continuation_id": "c1"}, "background_options"),
    "context_management": Sent([{"type": "compaction"}], "context_management"),
    "conversation": Sent("conv_1", "conversation"),
    "extra_body": Sent({"acme": {"trace": True}}, "acme.trace", True),
    "frequency_penalty": Sent(0.25, "frequency_penalty"),
    "image": Sent({"detail": "low"}, "image"),
    "include": Sent(["message.output_text.logprobs"], "include"),
    "instructions": Sent("Be brief.", "instructions"),
    "max_output_tokens": Sent(64, "max_output_tokens"),
    "max_tool_calls": Sent(2, "max_tool_calls"),
    "moderation": Sent({"model": "omni"}, "moderation"),
    "parallel_tool_calls": Sent(False, "parallel_tool_calls"),
    "presence_penalty": Sent(0.5, "presence_penalty"),
    "prompt": Sent({"id": "pmpt_1", "variables": {"city": "Ulm"}}, "prompt"),
    "prompt_cache_key": Sent("k", "prompt_cache_key"),
    "prompt_cache_options": Sent({"mode": "explicit"}, "prompt_cache_options"),
    "prompt_cache_retention": Sent("24h", "prompt_cache_retention"),
    "reasoning": Sent({"effort": "low", "summary": "auto"}, "reasoning"),
    "request_metadata": Sent({"team": "a"}, "metadata"),
    "response_format": Sent(Room, "text.format.name", "Room"),
    "safety_identifier": Sent("user-1", "safety_identifier"),
    "service_tier": Sent("flex", "service_tier"),
    "stop": Sent(["END"], "stop"),
    "store": Sent(False, "store"),
    "stream_options": Sent({"include_obfuscation": False}, "stream_options"),
    "temperature": Sent(0.5, "temperature"),
    "text": Sent({"verbosity": "low"}, "text"),
    "tool_choice": Sent("none", "tool_choice"),
    "top_logprobs": Sent(2, "top_logprobs"),
    "top_p": Sent(0.75, "top_p"),
    "truncation": Sent("auto", "truncation"),
    "user": Sent("user-1", "user"),
    "verbosity": Sent("high", "text.verbosity"),
}
ELSEWHERE = {"input", "metadata", "model", "previous_response_id", "stream", "tools"}
"""Parameters that have a place of their own."""
SDK_ONLY = {"self", "extra_headers", "extra_query", "timeout"}


@pytest.fixture(params=PARAMETERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def backend(responses_backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """A server that takes everything, whose only conversation is `conv_1`."""
    responses_backend.background(polls=0).configure(unknown_parameters="ignored")
    monkeypatch.setattr(responses_backend.ids, "new", lambda prefix, length=48: f"{prefix}_1")
    send(responses_backend, "POST", "/v1/conversations", {})
    monkeypatch.undo()
    responses_backend.on().reply_json({"name": "Birch"}).always()
    return responses_backend


def found(backend: Backend, path: str) -> Any:
    value = backend.creates[-1].json
    for key in path.split("."):
        value = value[key]
    return value


def run(node: ResponsesNode) -> None:
    builder = StateGraph(MessagesState)
    builder.add_node("model", node)
    builder.add_edge(START, "model")
    builder.compile().invoke(QUESTION)


def test_of_a_node(name: str, backend: Backend) -> None:
    parameter = PARAMETERS[name]
    run(ResponsesNode("m", **{name: parameter.value}, **GATEWAY))
    assert found(backend, parameter.path) == parameter.expected


@pytest.mark.parametrize("bound", [True, False], ids=["bound", "given"])
def test_of_a_call(name: str, bound: bool, backend: Backend) -> None:
    parameter = PARAMETERS[name]
    options = {name: parameter.value}
    model = ChatResponses("m", **GATEWAY)
    model.bind(**options).invoke("hi") if bound else model.invoke("hi", **options)
    assert found(backend, parameter.path) == parameter.expected


def test_of_a_run(name: str, backend: Backend) -> None:
    parameter = PARAMETERS[name]
    asked: list[Any] = []

    def settings(state: Any, runtime: Any) -> dict[str, Any]:
        asked.append((state["messages"][0].text, runtime.execution_info is not None))
        return {name: parameter.value}

    run(ResponsesNode("m", model_settings=settings, **GATEWAY))
    assert asked == [("hi", True)]
    assert found(backend, parameter.path) == parameter.expected


def test_no_option_is_left_out_here() -> None:
    assert PARAMETERS.keys() == {*RequestOptions.model_fields, "instructions"}


def test_no_parameter_of_the_api_is_left_out_of_the_options() -> None:
    api = set(inspect.signature(Responses.create).parameters) - SDK_ONLY - ELSEWHERE
    assert api <= PARAMETERS.keys()


def test_no_word_on_chaining_leaves_the_models_own(responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two")
    chat = ChatResponses(
        "m", base_url="https://gw.test/v1", api_key="sk-gw", server="openai", chaining="never"
    )
    answer = chat.invoke("hi", chaining=None)
    chat.invoke([HumanMessage("hi"), answer, HumanMessage("more")], chaining=None)
    assert len(responses_backend.creates[-1].input) == 3
