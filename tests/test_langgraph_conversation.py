"""A conversation object of the server keeps what it was sent: it gets every message once, or says why it cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from responses_adapters.errors import (
    ConfigurationError,
    ContextMismatchError,
    UnsupportedByServerError,
)
from responses_adapters.langgraph import ChatResponses, ResponsesNode, explain_turns
from responses_adapters.testing import Backend, Request

GATEWAY: dict[str, Any] = {"base_url": "https://gw.test/v1", "api_key": "sk-gw", "server": "openai"}
THREAD: Any = {"configurable": {"thread_id": "1"}}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def new_conversation(backend: Backend) -> str:
    reply = backend.handle(Request("POST", "/v1/conversations", body=b"{}"))
    assert isinstance(reply.body, bytes)
    return str(json.loads(reply.body)["id"])


def thread(**options: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode("m", tools=[add], **{**GATEWAY, **options}))
    builder.add_node("tools", ToolNode([add]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=InMemorySaver())


def say(app: Any, *texts: str, config: Any = THREAD) -> list[AnyMessage]:
    messages: list[AnyMessage] = []
    for text in texts:
        messages = app.invoke({"messages": [HumanMessage(text)]}, config)["messages"]
    return messages


@pytest.fixture
def conversation(responses_backend: Backend) -> str:
    return new_conversation(responses_backend)


@pytest.mark.parametrize("form", ["id", "object"])
@pytest.mark.parametrize("server", ["openai", "generic"])
def test_every_message_is_sent_once_and_seen_on_every_turn(
    form: str, server: str, conversation: str, responses_backend: Backend
) -> None:
    responses_backend.reply("one").then.call_tool("add", a=1, b=2).then.reply("3").then.reply("end")
    app = thread(conversation=conversation if form == "id" else {"id": conversation}, server=server)
    messages = say(app, "a", "b", "c")
    creates = responses_backend.creates
    assert [len(request.input) for request in creates] == [1, 1, 1, 1]
    assert not any("previous_response_id" in request.json for request in creates)
    assert [item["type"] for item in responses_backend.contexts[-1]] == [
        *("message", "message", "message", "function_call", "function_call_output"),
        *("message", "message"),
    ]
    assert [message.text for message in messages if message.text][-1] == "end"
    assert [turn.how for turn in explain_turns(app, THREAD)] == [
        "replay",
        "delta",
        "delta",
        "delta",
    ]


def test_a_stream_adds_to_the_conversation_too(
    conversation: str, responses_backend: Backend
) -> None:
    responses_backend.reply("one").then.reply("two")
    app = thread(conversation=conversation)
    for text in ("a", "b"):
        for _ in app.stream({"messages": [HumanMessage(text)]}, THREAD, stream_mode="messages"):
            pass
    assert responses_backend.contexts[-1].texts == ["a", "one", "b"]
    assert len(responses_backend.creates) == 2


def test_a_conversation_begun_elsewhere_is_continued(
    conversation: str, responses_backend: Backend
) -> None:
    responses_backend.reply("one").then.reply("two")
    model = ChatResponses("m", conversation=conversation, **GATEWAY)
    model.invoke("a")
    model.invoke("b")
    assert responses_backend.contexts[-1].texts == ["a", "one", "b"]


def test_a_thread_that_moves_into_a_conversation_brings_its_messages(
    conversation: str, responses_backend: Backend
) -> None:
    responses_backend.reply("one").then.reply("two").then.reply("three").then.reply("four")
    app = StateGraph(MessagesState)
    settings: dict[str, Any] = {}
    app.add_node("model", ResponsesNode("m", model_settings=lambda *_: settings, **GATEWAY))
    app.add_edge(START, "model")
    graph = app.compile(checkpointer=InMemorySaver())
    say(graph, "a")
    settings["conversation"] = conversation
    say(graph, "b", "c")
    settings.clear()
    say(graph, "d")
    assert [len(request.input) for request in responses_backend.creates] == [1, 3, 1, 5]
    assert responses_backend.contexts[-2].texts == ["a", "one", "b", "two", "c"]
    sent = [
        "conversation" in request.json and "previous_response_id" in request.json
        for request in responses_backend.creates
    ]
    assert not any(sent)


def test_agents_that_share_a_conversation_do_not_repeat_each_other(
    conversation: str, responses_backend: Backend
) -> None:
    responses_backend.reply("one").then.reply("two").then.reply("three").then.reply("four")
    builder = StateGraph(MessagesState)
    for name in ("first", "second"):
        builder.add_node(name, ResponsesNode("m", conversation=conversation, **GATEWAY))
    builder.add_node("ask", lambda state: {"messages": [HumanMessage("go on")]})
    builder.add_edge(START, "first")
    builder.add_edge("first", "ask")
    builder.add_edge("ask", "second")
    graph = builder.compile(checkpointer=InMemorySaver())
    say(graph, "a", "b")
    assert responses_backend.contexts[-1].texts == [
        *("a", "one", "go on", "two", "b", "three", "go on"),
    ]


def edit(messages: list[AnyMessage]) -> list[Any]:
    return [messages[0].model_copy(update={"content": "edited"})]


def remove(messages: list[AnyMessage]) -> list[Any]:
    return [RemoveMessage(id=str(messages[1].id))]


@pytest.mark.parametrize("change", [edit, remove], ids=["edited", "removed"])
def test_a_change_that_the_conversation_cannot_follow_is_said_and_nothing_sent(
    change: Any, conversation: str, responses_backend: Backend
) -> None:
    responses_backend.reply("one").then.reply("two")
    app = thread(conversation=conversation)
    messages = say(app, "a", "b")
    app.update_state(THREAD, {"messages": change(messages)}, as_node="model")
    with pytest.raises(ContextMismatchError, match="start a new conversation, or leave") as error:
        say(app, "c")
    assert conversation in str(error.value)
    assert error.value.server == "openai"
    assert error.value.response_id == responses_backend.creates[-1].response_id
    assert len(responses_backend.creates) == 2


def test_a_fork_of_the_thread_is_noticed(conversation: str, responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two")
    app = thread(conversation=conversation)
    say(app, "a")
    past = app.get_state(THREAD).config
    say(app, "b")
    with pytest.raises(ContextMismatchError, match="forked"):
        say(app, "another b", config=past)


def test_a_conversation_that_lost_its_messages_gets_no_replay(
    conversation: str, responses_backend: Backend
) -> None:
    for _ in range(2):
        responses_backend.reply("a rather long answer about everything that there is to say " * 9)
    app = thread(conversation=conversation)
    say(app, "a rather long question about everything that there is to ask " * 9)
    responses_backend.store.conversations[conversation].items.clear()
    with pytest.raises(ContextMismatchError, match=f"without the messages of .*{conversation}"):
        say(app, "b")
    assert len(responses_backend.creates) == 2


def test_the_last_answer_alone_is_nothing_to_add(
    conversation: str, responses_backend: Backend
) -> None:
    responses_backend.reply("one")
    model = ChatResponses("m", conversation=conversation, **GATEWAY)
    answer = model.invoke("a")
    with pytest.raises(ConfigurationError, match="already holds every message"):
        model.invoke([HumanMessage("a"), answer])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"chaining": "never"}, "chaining='never'"),
        ({"store": False}, "store=False"),
        ({"previous_response_id": "resp_1"}, "previous_response_id="),
        ({"conversation": {}}, "is the id of a conversation"),
    ],
)
def test_options_that_contradict_a_conversation_are_refused(
    options: Any, named: str, responses_backend: Backend
) -> None:
    model = ChatResponses("m", **GATEWAY)
    with pytest.raises(ConfigurationError, match=named):
        model.invoke("a", **{"conversation": "conv_1", **options})
    assert responses_backend.creates == []


def test_a_server_without_conversations_says_so() -> None:
    model = ChatResponses("m", base_url="https://gw.test/v1", api_key="k", server="valar")
    with pytest.raises(UnsupportedByServerError, match="conversation"):
        model.invoke("a", conversation="conv_1")


def test_an_answer_of_another_conversation_is_not_counted_as_held(
    responses_backend: Backend,
) -> None:
    responses_backend.reply("one").then.reply("two")
    model = ChatResponses("m", **GATEWAY)
    first, second = new_conversation(responses_backend), new_conversation(responses_backend)
    answer = model.invoke("a", conversation=first)
    assert isinstance(answer, AIMessage)
    model.invoke([HumanMessage("a"), answer, HumanMessage("b")], conversation=second)
    assert responses_backend.contexts[-1].texts == ["a", "one", "b"]
