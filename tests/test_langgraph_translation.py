"""What a server does not take is translated before it leaves, or refused with advice; never dropped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import openai
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from responses_adapters.errors import UnsupportedByServerError
from responses_adapters.langgraph import ChatResponses, ResponsesNode
from responses_adapters.profiles import SERVERS, ServerProfile
from responses_adapters.testing import Backend
from responses_adapters.testing.transport import make_transport

THREAD: Any = {"configurable": {"thread_id": "1"}}
PIXEL = "data:image/png;base64,iVBORw0KGgo="
IMAGE = {"type": "input_image", "image_url": PIXEL}
FILE = {"type": "input_file", "file_data": "data:text/plain;base64,aGk=", "filename": "a.txt"}


def model(
    backend: Backend, server: str | ServerProfile | None = None, **options: Any
) -> ChatResponses:
    return ChatResponses(
        "m/m",
        server=server or backend.behaviour.name,
        base_url="https://gw.test/v1",
        api_key="sk-gw",
        http_client=openai.DefaultHttpxClient(transport=make_transport(backend)),
        **options,
    )


def draw(title: str) -> list[Any]:
    """Draw a chart."""
    return [
        {"type": "text", "text": f"{title}: up"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]


def loop(backend: Backend, *tools: Any, **options: Any) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("model", ResponsesNode(model(backend, **options), tools=tools))
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize("server", ["orq", "valar"])
def test_a_picture_that_a_tool_returns_follows_in_a_message_where_outputs_are_text(
    server: str,
) -> None:
    backend = Backend(server)
    backend.call_tools(("draw", {"title": "Sales"}), ("draw", {"title": "Costs"}))
    backend.reply("both rise").then.reply("bye")
    app = loop(backend, draw)
    app.invoke({"messages": [HumanMessage("?")]}, THREAD)
    first, second, pictures = backend.creates[1].input[-3:]
    assert first["output"] == "Sales: up\n(image: in the message after the outputs)"
    assert second["output"].startswith("Costs: up")
    assert pictures["role"] == "user"
    assert [part.get("image_url") for part in pictures["content"]] == [None, PIXEL, None, PIXEL]
    assert first["call_id"] in pictures["content"][0]["text"]
    app.invoke({"messages": [HumanMessage("thanks")]}, THREAD)
    kinds = [item["type"] for item in backend.contexts[-1] if item["type"] != "message"]
    assert kinds == [*["function_call"] * 2, *["function_call_output"] * 2]
    backend.verify()


def test_a_picture_stays_where_the_server_takes_it() -> None:
    backend = Backend("openai")
    backend.call_tool("draw", title="Sales").then.reply("up")
    loop(backend, draw).invoke({"messages": [HumanMessage("?")]}, THREAD)
    (output,) = backend.creates[1].input
    assert [part["type"] for part in output["output"]] == ["input_text", "input_image"]


def test_parts_of_text_become_one_string_where_outputs_are_text() -> None:
    backend = Backend("aleph-alpha")
    backend.call_tool("look").then.reply("ok")
    question = HumanMessage("?")
    answer = model(backend).invoke([question])
    output = ToolMessage(
        [{"type": "text", "text": "one"}, {"type": "odd", "n": 2}],
        tool_call_id=str(answer.tool_calls[0]["id"]),
    )
    model(backend).invoke([question, answer, output])
    assert backend.creates[-1].input[-1]["output"] == 'one\n{"type": "odd", "n": 2}'


@pytest.mark.parametrize(
    ("server", "part", "kind"),
    [("aleph-alpha", IMAGE, "input_image"), ("valar", FILE, "input_file")],
)
def test_a_part_that_has_no_place_at_all_is_refused_with_the_way_out(
    server: str, part: Any, kind: str
) -> None:
    backend = Backend(server)
    backend.call_tool("draw", title="Sales")
    chat = model(backend)
    question = HumanMessage("?")
    answer = chat.bind_tools([draw]).invoke([question])
    (call,) = answer.tool_calls
    output = ToolMessage([part], tool_call_id=call["id"])
    with pytest.raises(UnsupportedByServerError, match=f"takes no {kind}") as error:
        chat.invoke([question, answer, output])
    assert f"the output of the call {call['id']}" in str(error.value)
    assert "message_parts=" in str(error.value)
    assert error.value.server == server
    with pytest.raises(UnsupportedByServerError, match="which a user message holds"):
        chat.invoke([HumanMessage([part])])
    assert len(backend.creates) == 1


def test_a_deployment_that_takes_pictures_can_say_so() -> None:
    backend = Backend("aleph-alpha")
    backend.reply("a pixel")
    profile = replace(SERVERS["aleph-alpha"], message_parts=frozenset({"input_image"}))
    model(backend, profile).invoke([HumanMessage([IMAGE])])
    assert backend.creates[0].input[0]["content"] == [IMAGE]


def test_valar_gets_its_own_name_for_summaries_and_none_of_what_changes_nothing() -> None:
    backend = Backend("valar")
    backend.reply("ok")
    chat = model(
        backend,
        instructions="Be kind.",
        reasoning={"effort": "low", "summary": "auto"},
        parallel_tool_calls=True,
        include=["reasoning.encrypted_content", "message.output_text.logprobs"],
        truncation="disabled",
    )
    list(chat.stream("hi", request_metadata={"tier": 2, "urgent": True}))
    body = backend.creates[0].json
    assert body["reasoning"] == {"effort": "low", "generate_summary": "auto"}
    assert body["include"] == ["message.output_text.logprobs"]
    assert body["metadata"] == {"tier": "2", "urgent": "true"}
    assert [item["role"] for item in body["input"]] == ["system", "user"]
    assert body.keys().isdisjoint({"instructions", "parallel_tool_calls", "stream", "truncation"})


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"extra_body": {"prompt": {"id": "p"}}}, "prompt"),
        ({"store": False}, "store=False"),
    ],
)
def test_valar_is_not_sent_what_would_mean_something(option: Any, name: str) -> None:
    backend = Backend("valar")
    with pytest.raises(UnsupportedByServerError, match=f"refuses {name}"):
        model(backend).invoke("hi", **option)
    assert backend.creates == []


@pytest.mark.parametrize(("server", "form"), [("valar", "json_object"), ("orq", "json_object")])
def test_a_format_that_the_server_lacks_is_named(server: str, form: str) -> None:
    backend = Backend(server)
    with pytest.raises(UnsupportedByServerError, match=f"refuses text.format of type {form}"):
        model(backend).invoke("hi", response_format={"type": form})
    assert backend.creates == []


def test_a_server_that_only_streams_answers_a_plain_call() -> None:
    backend = Backend("blackbox")
    backend.configure(demands=(("stream", True), ("store", False), ("instructions", None)))
    backend.reply("one two")
    demands: Any = frozenset({"stream", "store", "instructions"})
    answer = model(backend, replace(SERVERS["blackbox"], demands=demands)).invoke("hi")
    assert answer.text == "one two"
