"""LangGraph's own features around the node: fan-out, subgraphs, retries, caches, time-outs."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.caches import InMemoryCache as AnswerCache
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import CachePolicy, Command, RetryPolicy, Send, TimeoutPolicy

from responses_adapters.errors import StreamTruncatedError
from responses_adapters.langgraph import (
    ChatResponses,
    ResponsesNode,
    ResponsesState,
    responses_retry_on,
)
from responses_adapters.testing import Backend

GATEWAY: dict[str, Any] = {"base_url": "https://gw.test/v1", "api_key": "sk-gw", "server": "openai"}
THREAD: Any = {"configurable": {"thread_id": "1"}}


def node(**options: Any) -> ResponsesNode:
    return ResponsesNode("m", **{**GATEWAY, **options})


def graph(model: Any, *, saver: Any = None, cache: Any = None, **options: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("model", model, **options)
    builder.add_edge(START, "model")
    return builder.compile(checkpointer=saver, cache=cache)


def says(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [HumanMessage(text, **fields)]}


def test_send_fans_out_over_one_node(responses_backend: Backend) -> None:
    for answer in ("a", "b", "c"):
        responses_backend.reply(answer)
    builder = StateGraph(ResponsesState)
    builder.add_node("model", node())
    builder.add_conditional_edges(
        START, lambda _: [Send("model", says(text)) for text in ("1", "2", "3")]
    )
    state = builder.compile().invoke(says("all"))
    assert sorted(message.text for message in state["messages"][1:]) == ["a", "b", "c"]


def test_a_subgraph_goes_on_where_it_was(responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two")
    builder = StateGraph(MessagesState)
    builder.add_node("inner", graph(node()))
    builder.add_edge(START, "inner")
    app = builder.compile(checkpointer=InMemorySaver())
    app.invoke(says("a"), THREAD)
    state = app.invoke(says("b"), THREAD)
    assert [len(each.input) for each in responses_backend.creates] == [1, 1]
    assert state["messages"][1].response_metadata["responses"]["chain"] == "inner|model"


def test_a_failed_response_is_tried_again_where_that_helps(responses_backend: Backend) -> None:
    responses_backend.fail_turn("server_error", "down").then.reply("ok")
    policy = RetryPolicy(initial_interval=0.001, retry_on=responses_retry_on)
    app = graph(node(max_retries=0), retry_policy=policy)
    assert app.invoke(says("a"))["messages"][-1].text == "ok"


def test_a_permanent_failure_is_not_tried_again(responses_backend: Backend) -> None:
    responses_backend.fail(400, message="no")
    policy = RetryPolicy(initial_interval=0.001, retry_on=responses_retry_on)
    with pytest.raises(Exception, match="no"):
        graph(node(), retry_policy=policy).invoke(says("a"))
    assert len(responses_backend.creates) == 1


def test_a_cached_node_answers_once(responses_backend: Backend) -> None:
    responses_backend.reply("ok")
    app = graph(node(), cache=InMemoryCache(), cache_policy=CachePolicy())
    for _ in range(2):
        assert app.invoke(says("a", id="1"))["messages"][-1].text == "ok"
    assert len(responses_backend.creates) == 1


def test_a_cached_model_answers_once(responses_backend: Backend) -> None:
    responses_backend.reply("ok")
    model = ChatResponses("m", cache=AnswerCache(), **GATEWAY)
    assert [model.invoke("q").text for _ in range(2)] == ["ok", "ok"]
    assert len(responses_backend.creates) == 1


async def test_polling_counts_as_progress(responses_backend: Backend) -> None:
    responses_backend.background(polls=6).reply("ok")
    app = graph(
        node(background=True, poll_interval=0.1),
        timeout=TimeoutPolicy(idle_timeout=0.4),
    )
    assert (await app.ainvoke(says("a")))["messages"][-1].text == "ok"


def test_a_tool_may_command_the_graph(responses_backend: Backend) -> None:
    @tool
    def finish(answer: str) -> Command[Any]:
        """Finish."""
        update = {"messages": [ToolMessage(f"noted {answer}", tool_call_id="call_f")]}
        return Command(update=update)

    responses_backend.call_tool("finish", call_id="call_f", answer="x").then.reply("bye")
    builder = StateGraph(MessagesState)
    builder.add_node("model", node(tools=[finish]))
    builder.add_node("tools", ToolNode([finish]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    builder.compile().invoke(says("a"))
    assert responses_backend.creates[-1].input[0]["output"] == "noted x"


def test_a_cut_stream_is_finished_by_its_id(responses_backend: Backend) -> None:
    responses_backend.reply("one two three").truncate(after=6)
    app = graph(node(), saver=InMemorySaver())
    chunks = [chunk.text for chunk, _ in app.stream(says("a"), THREAD, stream_mode="messages")]
    assert "".join(chunks) == "one two three"
    assert app.get_state(THREAD).values["messages"][-1].text == "one two three"


def test_a_cut_stream_that_cannot_be_finished_is_no_answer(responses_backend: Backend) -> None:
    responses_backend.reply("one two three").truncate(after=6)
    app = graph(node(store=False), saver=InMemorySaver())
    with pytest.raises(StreamTruncatedError):
        list(app.stream(says("a"), THREAD, stream_mode="messages"))
    assert [m.type for m in app.get_state(THREAD).values["messages"]] == ["human"]


def test_what_a_compaction_stands_for_is_not_sent_again(responses_backend: Backend) -> None:
    item = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAA"}
    responses_backend.reply("one")
    responses_backend.respond([item]).reply("two").then.reply("three")
    app = graph(node(chaining="never"), saver=InMemorySaver())
    for text in ("a", "b", "c"):
        app.invoke(says(text), THREAD)
    assert [each["type"] for each in responses_backend.creates[-1].input] == [
        "compaction",
        "message",
        "message",
    ]


def test_unstored_turns_replay_encrypted_reasoning_in_place(responses_backend: Backend) -> None:
    responses_backend.reason("hm", encrypted=True).reply("one").then.reply("two")
    app = graph(node(store=False, reasoning={"effort": "low"}), saver=InMemorySaver())
    app.invoke(says("a"), THREAD)
    app.invoke(says("b"), THREAD)
    first, last = responses_backend.creates
    assert first.json["include"] == ["reasoning.encrypted_content"]
    user, reasoning, answer, _ = last.input
    assert (user["content"], reasoning["type"], answer["type"]) == ("a", "reasoning", "message")
    assert reasoning["encrypted_content"]
    assert "id" not in answer


def test_images_and_files_reach_the_server(responses_backend: Backend) -> None:
    responses_backend.reply("nice")
    image = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}
    graph(node()).invoke({"messages": [HumanMessage(["look", image])]})
    assert [part["type"] for part in responses_backend.contexts[-1][0]["content"]] == [
        "input_text",
        "input_image",
    ]


def test_a_front_end_that_strips_metadata_costs_a_replay_and_nothing_else(
    responses_backend: Backend,
) -> None:
    responses_backend.reply("one").then.reply("two")
    answer = graph(node()).invoke(says("a"))["messages"][-1]
    history = [HumanMessage("a"), AIMessage(answer.text), HumanMessage("b")]
    graph(node()).invoke({"messages": history})
    assert responses_backend.contexts[-1].texts == ["a", "one", "b"]


def test_a_serialised_model_holds_no_key() -> None:
    assert "sk-gw" not in dumps(ChatResponses("m", **GATEWAY))
