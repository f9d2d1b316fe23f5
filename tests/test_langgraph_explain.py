from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from responses_adapters.langgraph import ResponsesNode, aexplain_turns, explain_turns
from responses_adapters.testing import Backend

THREAD: Any = {"configurable": {"thread_id": "1"}}


async def test_a_table_tells_how_each_turn_was_sent_and_why(responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two").then.reply("three")
    node = ResponsesNode("m", server="openai", base_url="https://gw.test/v1", api_key="sk-gw")
    builder = StateGraph(MessagesState)
    builder.add_node("model", node)
    builder.add_edge(START, "model")
    graph = builder.compile(checkpointer=InMemorySaver())
    graph.invoke({"messages": [HumanMessage("a")]}, THREAD)
    graph.invoke({"messages": [HumanMessage("b"), AIMessage("foreign"), HumanMessage("c")]}, THREAD)
    responses_backend.forget()
    graph.invoke({"messages": [HumanMessage("d")]}, THREAD)
    table = explain_turns(graph, THREAD)
    assert [(turn.turn, turn.how, turn.sent) for turn in table] == [
        (1, "replay", 1),
        (3, "delta", 3),
        (4, "recovered", 7),
    ]
    assert [turn.response_id for turn in table][-1] == responses_backend.creates[-1].response_id
    assert sum(turn.bytes for turn in table) == sum(len(e.body) for e in responses_backend.creates)
    lines = str(table).splitlines()
    assert lines[0].split()[:4] == ["turn", "chain", "how", "why"]
    assert "the server no longer had the response" in lines[-1]
    assert await aexplain_turns(graph, THREAD) == table


def test_a_thread_without_turns_is_an_empty_table() -> None:
    builder = StateGraph(MessagesState)
    builder.add_node("model", lambda _: {})
    builder.add_edge(START, "model")
    graph = builder.compile(checkpointer=InMemorySaver())
    assert explain_turns(graph, THREAD) == []
    assert len(str(explain_turns(graph, THREAD)).splitlines()) == 2
