"""What people do with graphs: trims, jumps, forks, fan-out, state of any shape, wrappers. The model sees what it should."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
    trim_messages,
)
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.errors import NodeError
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages
from langgraph.prebuilt import ToolNode
from langgraph.types import CachePolicy, Command, Send
from pydantic import BaseModel
from typing_extensions import TypedDict

from responses_adapters.errors import ConfigurationError
from responses_adapters.langgraph import (
    ChatResponses,
    ResponsesNode,
    ResponsesState,
    aexplain_turns,
    explain_turns,
    responses_condition,
)
from responses_adapters.testing import Backend

GATEWAY: dict[str, Any] = {"base_url": "https://gw.test/v1", "api_key": "sk-gw", "server": "openai"}
THREAD: Any = {"configurable": {"thread_id": "1"}}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def node(**options: Any) -> ResponsesNode:
    return ResponsesNode("m", **{**GATEWAY, **options})


def graph(model: Any, schema: Any = MessagesState, *, saver: Any = None, **options: Any) -> Any:
    builder = StateGraph(schema)
    builder.add_node("model", model, **options)
    builder.add_edge(START, "model")
    return builder.compile(checkpointer=saver or InMemorySaver())


def says(*texts: Any) -> Any:
    return {"messages": [HumanMessage(each) if isinstance(each, str) else each for each in texts]}


def sent(backend: Backend) -> list[int]:
    return [len(each.input) for each in backend.creates]


def answers(backend: Backend, *texts: str) -> None:
    for text in texts:
        backend.reply(text)


def test_a_node_that_trims_shows_the_window_alone(responses_backend: Backend) -> None:
    answers(responses_backend, "a", "b", "c")
    model = node()

    def trimmed(state: MessagesState) -> Any:
        window = trim_messages(
            state["messages"], max_tokens=3, token_counter=len, strategy="last", start_on="human"
        )
        return model.invoke({"messages": window})

    app = graph(trimmed)
    for text in "123":
        app.invoke(says(text), THREAD)
    assert responses_backend.contexts[-1].texts == ["2", "b", "3"]


def test_everything_removed_is_a_new_conversation(responses_backend: Backend) -> None:
    answers(responses_backend, "a", "b")
    app = graph(node())
    app.invoke(says("1"), THREAD)
    app.invoke(says(RemoveMessage(id=REMOVE_ALL_MESSAGES), "2"), THREAD)
    assert responses_backend.contexts[-1].texts == ["2"]
    assert responses_backend.creates[-1].previous_response_id is None


@pytest.mark.parametrize("first", [True, False], ids=["before any turn", "between turns"])
def test_what_a_person_writes_for_the_model_is_part_of_the_thread(
    first: bool, responses_backend: Backend
) -> None:
    answers(responses_backend, *(["b"] if first else ["a", "b"]))
    app = graph(node())
    if not first:
        app.invoke(says("1"), THREAD)
    app.update_state(THREAD, {"messages": [AIMessage("by hand")]}, as_node="model")
    app.invoke(says("2"), THREAD)
    assert responses_backend.contexts[-1].texts == [*([] if first else ["1", "a"]), "by hand", "2"]
    assert sent(responses_backend)[-1] == 2


def test_a_command_that_goes_back_to_the_node_sends_what_it_added(
    responses_backend: Backend,
) -> None:
    answers(responses_backend, "a", "b")

    def route(state: MessagesState) -> Any:
        if len(state["messages"]) > 2:
            return Command(goto=END)
        return Command(goto="model", update=says("go on"))

    builder = StateGraph(MessagesState)
    builder.add_node("model", node())
    builder.add_node("route", route, destinations=("model", END))
    builder.add_edge(START, "model")
    builder.add_edge("model", "route")
    builder.compile(checkpointer=InMemorySaver()).invoke(says("1"), THREAD)
    assert sent(responses_backend) == [1, 1]
    assert responses_backend.contexts[-1].texts == ["1", "a", "go on"]


def test_a_checkpoint_of_the_past_is_run_again_from_its_own_response(
    responses_backend: Backend,
) -> None:
    answers(responses_backend, "a", "b", "another b")
    app = graph(node())
    app.invoke(says("1"), THREAD)
    app.invoke(says("2"), THREAD)
    past = next(each for each in app.get_state_history(THREAD) if each.next == ("model",))
    assert app.invoke(None, past.config)["messages"][-1].text == "another b"
    assert sent(responses_backend) == [1, 1, 1]
    assert responses_backend.contexts[-1].texts == ["1", "a", "2"]


def test_a_subgraph_with_messages_of_its_own_has_a_chain_of_its_own(
    responses_backend: Backend,
) -> None:
    class Inner(TypedDict):
        chat: Annotated[list[AnyMessage], add_messages]

    answers(responses_backend, "a", "b", "c", "d")
    inner = graph(node(messages_key="chat"), Inner)

    def consult(state: MessagesState) -> Any:
        return {"messages": inner.invoke({"chat": state["messages"]})["chat"][-1:]}

    builder = StateGraph(MessagesState)
    builder.add_node("model", node())
    builder.add_node("ask", lambda _: says("go on"))
    builder.add_node("consult", consult)
    builder.add_edge(START, "model")
    builder.add_edge("model", "ask")
    builder.add_edge("ask", "consult")
    app = builder.compile(checkpointer=InMemorySaver())
    app.invoke(says("1"), THREAD)
    app.invoke(says("2"), THREAD)
    chains = [turn.chain for turn in explain_turns(app, THREAD)]
    assert chains == ["model", "consult|model"] * 2
    assert responses_backend.contexts[-1].texts == ["1", "a", "go on", "b", "2", "c", "go on"]


def test_three_nodes_of_one_name_at_once_and_again(responses_backend: Backend) -> None:
    answers(responses_backend, *"abcdef")
    builder = StateGraph(ResponsesState)
    builder.add_node("model", node())
    builder.add_conditional_edges(
        START,
        lambda state: [
            Send("model", {"messages": [*state["messages"], HumanMessage(f"part {i}")]})
            for i in range(3)
        ],
        ["model"],
    )
    app = builder.compile(checkpointer=InMemorySaver())
    app.invoke(says("1"), THREAD)
    state = app.invoke(says("2"), THREAD)
    for context in responses_backend.contexts[3:]:
        assert context.texts[0] == "1"
        assert sorted(context.texts[1:4]) == ["a", "b", "c"]
        assert context.texts[4] == "2"
    created = {each.response_id for each in responses_backend.creates[3:]}
    assert state["previous_response_id"] in created


def test_approvals_of_parallel_branches_are_decided_one_by_one(responses_backend: Backend) -> None:
    for number in range(3):
        responses_backend.ask_approval("srv", "pay", {"n": number})
    answers(responses_backend, "done", "done", "done")
    branch = StateGraph(MessagesState)
    branch.add_node("model", node())
    branch.add_edge(START, "model")
    branch.add_conditional_edges("model", responses_condition, ["model", END])
    builder = StateGraph(MessagesState)
    builder.add_node("branch", branch.compile())
    builder.add_conditional_edges(
        START, lambda _: [Send("branch", says(f"part {i}")) for i in range(3)], ["branch"]
    )
    app = builder.compile(checkpointer=InMemorySaver())
    asked = app.invoke(says("all"), THREAD)["__interrupt__"]
    app.invoke(Command(resume={each.id: True for each in asked}), THREAD)
    decisions = [each.input[-1] for each in responses_backend.creates[3:]]
    assert [each["approve"] for each in decisions] == [True] * 3
    wanted = {each.value["requests"][0]["id"] for each in asked}
    assert {each["approval_request_id"] for each in decisions} == wanted


def test_each_tool_call_may_be_sent_to_a_node_of_its_own(responses_backend: Backend) -> None:
    responses_backend.call_tools(("add", {"a": 1, "b": 1}), ("add", {"a": 2, "b": 2}))
    responses_backend.reply("2 and 4")

    def each_call(state: MessagesState) -> Any:
        last = state["messages"][-1]
        calls = last.tool_calls if isinstance(last, AIMessage) else []
        return [Send("tools", [call]) for call in calls] or END

    builder = StateGraph(MessagesState)
    builder.add_node("model", node(tools=[add]))
    builder.add_node("tools", ToolNode([add]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", each_call, ["tools", END])
    builder.add_edge("tools", "model")
    state = builder.compile(checkpointer=InMemorySaver()).invoke(says("?"), THREAD)
    assert state["messages"][-1].text == "2 and 4"
    assert sent(responses_backend) == [1, 2]


def test_a_cached_answer_is_continued_in_another_thread(responses_backend: Backend) -> None:
    answers(responses_backend, "a", "b")
    builder = StateGraph(MessagesState)
    builder.add_node("model", node(), cache_policy=CachePolicy())
    builder.add_edge(START, "model")
    app = builder.compile(cache=InMemoryCache(), checkpointer=InMemorySaver())
    other: Any = {"configurable": {"thread_id": "2"}}
    for thread in (THREAD, other):
        app.invoke({"messages": [HumanMessage("1", id="q")]}, thread)
    app.invoke(says("2"), other)
    assert sent(responses_backend) == [1, 1]
    assert responses_backend.contexts[-1].texts == ["1", "a", "2"]


def test_a_node_with_retries_or_another_to_fall_back_on(responses_backend: Backend) -> None:
    responses_backend.fail(500, times=2).reply("a")
    again = node(max_retries=0).with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    app = graph(again.with_fallbacks([node()]))
    assert app.invoke(says("1"), THREAD)["messages"][-1].text == "a"
    assert len(responses_backend.creates) == 3


def test_fallbacks_around_the_model_are_refused_with_the_place_for_them() -> None:
    model = ChatResponses("m", **GATEWAY).with_fallbacks([ChatResponses("n", **GATEWAY)])
    with pytest.raises(ConfigurationError, match=r"ResponsesNode\(first\).with_fallbacks"):
        ResponsesNode(model)


def test_an_error_handler_of_the_graph_hears_of_a_refusal(responses_backend: Backend) -> None:
    responses_backend.fail(400, message="no")

    def say_sorry(state: MessagesState, error: NodeError) -> Any:
        return {"messages": [AIMessage(f"sorry: {error.error}")]}

    app = graph(node(), error_handler=say_sorry)
    assert "sorry: 400" in app.invoke(says("1"), THREAD)["messages"][-1].text


class PydanticState(BaseModel):
    messages: Annotated[list[AnyMessage], add_messages]
    previous_response_id: str | None = None


@dataclass
class DataclassState:
    messages: Annotated[list[AnyMessage], add_messages]
    previous_response_id: str | None = None


@pytest.mark.parametrize("schema", [PydanticState, DataclassState])
def test_a_state_may_be_a_class(schema: Any, responses_backend: Backend) -> None:
    answers(responses_backend, "a", "b")
    app = graph(node(), schema)
    app.invoke(schema(messages=[HumanMessage("1")]), THREAD)
    state = app.invoke(says("2"), THREAD)
    assert sent(responses_backend) == [1, 1]
    assert state["previous_response_id"] == responses_backend.creates[-1].response_id


async def test_a_synchronous_node_runs_in_an_asynchronous_graph(responses_backend: Backend) -> None:
    answers(responses_backend, "a", "b")
    model = node()
    async with AsyncSqliteSaver.from_conn_string(":memory:") as saver:
        app = graph(lambda state: model.invoke(state), saver=saver)
        await app.ainvoke(says("1"), THREAD)
        await app.ainvoke(says("2"), THREAD)
        assert [turn.how for turn in await aexplain_turns(app, THREAD)] == ["replay", "delta"]


def test_the_functional_api_chains_as_well(responses_backend: Backend) -> None:
    answers(responses_backend, "a", "b")
    model = ChatResponses("m", **GATEWAY)

    @task
    def call(messages: list[AnyMessage]) -> AIMessage:
        return model.invoke(messages)

    @entrypoint(checkpointer=InMemorySaver())
    def chat(question: str, *, previous: list[AnyMessage] | None = None) -> Any:
        messages: list[AnyMessage] = [*(previous or []), HumanMessage(question)]
        answer = call(messages).result()
        return entrypoint.final(value=answer.text, save=[*messages, answer])

    chat.invoke("1", THREAD)
    chat.invoke("2", THREAD)
    assert sent(responses_backend) == [1, 1]


def test_an_edited_call_that_is_no_json_is_named(responses_backend: Backend) -> None:
    responses_backend.call_tool("add", a=1, b=2)
    model = ChatResponses("m", **GATEWAY)
    answer = model.invoke("1")
    (call,) = answer.tool_calls
    edited = answer.model_copy(
        update={"tool_calls": [{**call, "args": {"a": datetime.date(2026, 1, 1)}}]}
    )
    output = ToolMessage("3", tool_call_id=str(call["id"]))
    with pytest.raises(ConfigurationError, match=f"call {call['id']} of add were edited"):
        model.invoke([HumanMessage("1"), edited, output])


def test_two_outputs_for_one_call_are_both_read(responses_backend: Backend) -> None:
    responses_backend.call_tool("add", a=1, b=2).then.reply("3")
    model = ChatResponses("m", **GATEWAY)
    answer = model.invoke("1")
    call_id = str(answer.tool_calls[0]["id"])
    outputs = [ToolMessage(text, tool_call_id=call_id) for text in ("first", "second")]
    model.invoke([HumanMessage("1"), answer, *outputs])
    first, second = responses_backend.creates[-1].input
    assert (first["type"], first["output"]) == ("function_call_output", "first")
    assert second["role"] == "user"
    assert second["content"][-1]["text"] == "second"


def test_a_reader_that_leaves_early_closes_the_stream(responses_backend: Backend) -> None:
    responses_backend.pace(between=30).reply("one two")
    chunks = ChatResponses("m", **GATEWAY).stream("1")
    assert next(chunks).text == "one"
    chunks.close()  # type: ignore[attr-defined]
    assert responses_backend.creates[0].disconnected
