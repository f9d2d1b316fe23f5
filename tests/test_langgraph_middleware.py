from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    ModelFallbackMiddleware,
    SummarizationMiddleware,
    wrap_model_call,
)
from langchain.agents.structured_output import ProviderStrategy
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from responses_adapters.errors import ConfigurationError
from responses_adapters.langgraph import ResponsesMiddleware
from responses_adapters.testing import Backend

GATEWAY: dict[str, Any] = {"base_url": "https://gw.test/v1", "api_key": "sk-gw"}
THREAD: Any = {"configurable": {"thread_id": "1"}}


class Answer(BaseModel):
    text: str


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def agent(*others: AgentMiddleware[Any, Any], **options: Any) -> Any:
    return create_agent(
        ChatOpenAI(model="gpt-4.1", **GATEWAY),
        [add],
        middleware=[*others, ResponsesMiddleware(server="openai")],
        checkpointer=InMemorySaver(),
        **options,
    )


def ask(app: Any, text: str) -> Any:
    return app.invoke({"messages": [HumanMessage(text)]}, THREAD)


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_an_agent_sends_only_what_is_new(
    asynchronous: bool, responses_backend: Backend
) -> None:
    responses_backend.call_tool("add", a=1, b=2).then.reply("3").then.reply("sure")
    app = agent(system_prompt="Be kind.")
    for text in ("1+2?", "sure?"):
        if asynchronous:
            await app.ainvoke({"messages": [HumanMessage(text)]}, THREAD)
        else:
            ask(app, text)
    assert [len(each.input) for each in responses_backend.creates] == [1, 1, 1]
    assert responses_backend.contexts[-1].instructions == "Be kind."


def test_a_summary_is_what_the_server_sees(responses_backend: Backend) -> None:
    for text in ("one", "two", "SUMMARY", "three"):
        responses_backend.reply(text)
    small = ChatOpenAI(model="small", use_responses_api=True, **GATEWAY)
    app = agent(SummarizationMiddleware(small, trigger=("messages", 5), keep=("messages", 1)))
    for text in ("a", "b", "c"):
        ask(app, text)
    assert "SUMMARY" in responses_backend.contexts[-1].texts[0]
    assert responses_backend.contexts[-1].texts[1:] == ["c"]


def test_cleared_tool_outputs_are_cleared_at_the_server(responses_backend: Backend) -> None:
    responses_backend.call_tool("add", a=1, b=2).then.reply("one").then.reply("two")
    edit = ClearToolUsesEdit(trigger=20, keep=0, placeholder="[cleared]")
    app = agent(ContextEditingMiddleware(edits=[edit]))
    ask(app, "1+2?")
    ask(app, "and now a rather longer question to go over the limit of tokens")
    outputs = [i["output"] for i in responses_backend.contexts[-1] if "output" in i]
    assert outputs == ["[cleared]"]


def test_a_fallback_model_gets_no_foreign_id(responses_backend: Backend) -> None:
    responses_backend.reply("one")
    responses_backend.fail(400, message="down")
    responses_backend.reply("two")
    other = ChatOpenAI(model="other", base_url="https://other.test/v1", api_key="sk-o")
    app = agent(ModelFallbackMiddleware(other))
    ask(app, "a")
    assert ask(app, "b")["messages"][-1].text == "two"
    assert responses_backend.creates[-1].previous_response_id is None
    assert responses_backend.contexts[-1].texts == ["a", "one", "b"]


def test_models_made_for_one_request_are_used_for_it_and_forgotten(
    responses_backend: Backend,
) -> None:
    made: list[weakref.ref[Any]] = []

    @wrap_model_call
    def choose(request: Any, handler: Any) -> Any:
        model = ChatOpenAI(model=f"m{len(made)}", **GATEWAY)
        made.append(weakref.ref(model))
        return handler(request.override(model=model))

    responses_backend.on(text="").reply("hi").always()
    app = create_agent(
        ChatOpenAI(model="m", **GATEWAY), [], middleware=[choose, ResponsesMiddleware()]
    )
    for _ in range(10):
        app.invoke({"messages": [HumanMessage("hi")]})
        gc.collect()
    asked = [each.json["model"] for each in responses_backend.creates]
    assert asked == [f"m{number}" for number in range(10)]
    assert not any(reference() for reference in made)


def test_structured_answers_go_by_the_api(responses_backend: Backend) -> None:
    responses_backend.reply_json({"text": "hi"})
    app = agent(response_format=ProviderStrategy(Answer))
    assert ask(app, "hi")["structured_response"] == Answer(text="hi")


def test_anything_but_the_last_place_is_refused() -> None:
    @wrap_model_call
    def meddle(request: Any, handler: Any) -> Any:
        return handler(request)

    model = ChatOpenAI(model="gpt-4.1", **GATEWAY)
    app = create_agent(model, [], middleware=[ResponsesMiddleware(), meddle])
    with pytest.raises(ConfigurationError, match="must be the last"):
        app.invoke({"messages": [HumanMessage("hi")]})


def test_a_model_of_another_kind_is_refused_by_name() -> None:
    app = create_agent(FakeListChatModel(responses=["x"]), [], middleware=[ResponsesMiddleware()])
    with pytest.raises(ConfigurationError, match="cannot send through FakeListChatModel"):
        app.invoke({"messages": [HumanMessage("hi")]})


def test_a_misspelt_option_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'chaining'"):
        ResponsesMiddleware(chainin="never")
