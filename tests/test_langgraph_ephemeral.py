"""Messages for one turn only: the model sees them, the thread stays chained without them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import wrap_model_call
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from responses_adapters.langgraph import ChatResponses, ephemeral
from responses_adapters.testing import Backend

GATEWAY: dict[str, Any] = {"base_url": "https://gw.test/v1", "api_key": "sk-gw", "server": "openai"}
THREAD: Any = {"configurable": {"thread_id": "1"}}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def test_the_message_is_a_copy_with_a_mark() -> None:
    message = HumanMessage("hi", additional_kwargs={"responses": {"x": 1}}, id="7")
    marked = ephemeral(message)
    assert marked.additional_kwargs == {"responses": {"x": 1, "ephemeral": True}}
    assert (marked.text, marked.id, type(marked)) == ("hi", "7", HumanMessage)
    assert message.additional_kwargs == {"responses": {"x": 1}}


@pytest.mark.parametrize("position", [0, 1, None], ids=["first", "before the question", "last"])
def test_the_next_turn_chains_without_it(position: int | None, responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two").then.reply("three")
    model = ChatResponses("m", **GATEWAY)
    history: list[BaseMessage] = []
    for text in ("a", "b", "c"):
        history.append(HumanMessage(text))
        sent = list(history)
        place = {0: 0, 1: len(sent) - 1, None: len(sent)}[position]
        sent.insert(place, ephemeral(HumanMessage(f"note {text}")))
        history.append(model.invoke(sent))
    assert [len(request.input) for request in responses_backend.creates] == [2, 2, 2]
    seen = responses_backend.contexts[-1].texts
    assert [text for text in seen if not text.startswith("note")] == ["a", "one", "b", "two", "c"]
    assert [text for text in seen if text.startswith("note")] == ["note a", "note b", "note c"]


def test_a_note_before_an_open_call_is_sent_after_its_output(responses_backend: Backend) -> None:
    responses_backend.call_tool("add", a=1, b=2).then.reply("3")

    @wrap_model_call
    def tell_time(request: Any, handler: Any) -> Any:
        note = ephemeral(HumanMessage("It is Friday."))
        return handler(request.override(messages=[note, *request.messages]))

    agent: Any = create_agent(ChatResponses("m", **GATEWAY), [add], middleware=[tell_time])
    state = agent.invoke({"messages": [HumanMessage("1+2?")]})
    assert [type(message).__name__ for message in state["messages"]] == [
        *("HumanMessage", "AIMessage", "ToolMessage", "AIMessage"),
    ]
    assert [item["type"] for item in responses_backend.creates[-1].input] == [
        *("function_call_output", "message"),
    ]


def test_a_replay_leaves_the_notes_of_earlier_turns_out(responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two")
    model = ChatResponses("m", **GATEWAY)
    answer = model.invoke([HumanMessage("a"), ephemeral(HumanMessage("note a"))])
    responses_backend.forget()
    note = ephemeral(HumanMessage("note b"))
    model.invoke([HumanMessage("a"), answer, HumanMessage("b"), note])
    assert responses_backend.contexts[-1].texts == ["a", "one", "b", "note b"]


@pytest.mark.parametrize("seed", range(8))
def test_the_model_sees_the_messages_and_the_notes_since_the_last_replay(
    seed: int, responses_backend: Backend
) -> None:
    rng = random.Random(seed)
    for number in range(25):
        responses_backend.reply(f"answer {number}")
    model = ChatResponses("m", **GATEWAY)
    notes: list[HumanMessage] = []

    def answer(state: MessagesState) -> dict[str, Any]:
        messages: list[Any] = list(state["messages"])
        for note in notes:
            messages.insert(rng.randint(0, len(messages)), note)
        return {"messages": [model.invoke(messages)]}

    builder = StateGraph(MessagesState)
    builder.add_node("model", answer)
    builder.add_edge(START, "model")
    app: Any = builder.compile(checkpointer=InMemorySaver())
    sent_on: dict[str | None, set[str]] = {None: set()}
    chained = 0
    for turn in range(25):
        messages = app.get_state(THREAD).values.get("messages", [])
        if messages and rng.random() < 0.2:
            chosen = rng.choice(messages)
            changed: Any = RemoveMessage(id=chosen.id)
            if rng.random() < 0.5 and not isinstance(chosen, AIMessage):
                changed = chosen.model_copy(update={"content": f"edited {turn}"})
            app.update_state(THREAD, {"messages": [changed]}, as_node="model")
        notes[:] = [
            ephemeral(HumanMessage(f"note {turn} {number}")) for number in range(rng.randrange(3))
        ]
        said = app.invoke({"messages": [HumanMessage(f"question {turn}")]}, THREAD)["messages"]
        request, context = responses_backend.creates[-1], responses_backend.contexts[-1]
        previous = request.json.get("previous_response_id")
        chained += previous is not None
        expected = sent_on[previous] | {note.text for note in notes}
        sent_on[request.response_id] = expected
        seen = [text for text in context.texts if not text.startswith("note")]
        assert seen == [message.text for message in said[:-1]]
        assert {text for text in context.texts if text.startswith("note")} == expected
    assert chained >= 12


@pytest.mark.parametrize("inside", [True, False])
def test_a_mark_of_the_prompt_cache_that_moves_is_no_edit(
    inside: bool, responses_backend: Backend
) -> None:
    def marked(text: str, mark: bool) -> HumanMessage:
        cut = {"prompt_cache_breakpoint": {"mode": "explicit"}}
        marks = ({"extras": cut} if inside else cut) if mark else {}
        return HumanMessage([{"type": "text", "text": text, **marks}])

    responses_backend.reply("one").then.reply("two")
    model = ChatResponses("m", base_url="https://gw.test/v1", api_key="sk-gw", server="openai")
    answer = model.invoke([marked("hi", True)])
    model.invoke([marked("hi", False), answer, marked("more", True)])
    assert len(responses_backend.creates[-1].input) == 1
