from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypedDict

import openai
import pytest
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import tool
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.runtime import Runtime
from pydantic import BaseModel

from responses_adapters.errors import (
    ChainLostError,
    ConfigurationError,
    DanglingToolCallError,
    MaxIterationsError,
    ResponseIncompleteError,
    UnknownServerError,
)
from responses_adapters.langgraph import (
    ChatResponses,
    ResponsesNode,
    ResponsesState,
    last_response_id,
    responses_condition,
)
from responses_adapters.testing import Backend

GATEWAY: dict[str, Any] = {"base_url": "https://gw.test/v1", "api_key": "sk-gw"}
OTHER = "sk-somebody-elses"
THREAD: Any = {"configurable": {"thread_id": "1"}}


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def node(**options: Any) -> ResponsesNode:
    return ResponsesNode("gpt-5", **{"server": "openai", **GATEWAY, **options})


def loop(model: Any, *, state: Any = MessagesState, saver: Any = None, **options: Any) -> Any:
    """The graph of the LangGraph tutorials: a model node, a tool node, and the way between them."""
    graph = StateGraph(state, **options)
    graph.add_node("model", model)
    graph.add_node("tools", ToolNode([add]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=saver)


def says(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def types(backend: Backend) -> list[str]:
    return [item["type"] for item in backend.contexts[-1]]


BUILDS: dict[str, Callable[[], ResponsesNode]] = {
    "the ChatOpenAI one has": lambda: ResponsesNode(
        ChatOpenAI(model="gpt-4.1", temperature=0, **GATEWAY).bind_tools([add])
    ),
    "ChatResponses": lambda: ResponsesNode(
        ChatResponses("gpt-4.1", temperature=0, **GATEWAY).bind_tools([add])
    ),
    "ChatResponses and tools": lambda: ResponsesNode(
        ChatResponses("gpt-4.1", temperature=0, **GATEWAY), tools=[add]
    ),
    "a name": lambda: ResponsesNode("gpt-4.1", tools=[add], temperature=0, **GATEWAY),
}


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS.keys())
def test_a_node_runs_the_tool_loop_however_it_is_built(
    build: Callable[[], ResponsesNode], responses_backend: Backend
) -> None:
    responses_backend.call_tools(("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4}))
    responses_backend.reply("3 and 7")
    result = loop(build()).invoke(says("1+2 and 3+4?"))
    assert result["messages"][-1].text == "3 and 7"
    responses_backend.assert_tool_result("add", contains="3")
    first = responses_backend.creates[0].json
    assert first["temperature"] == 0
    assert first["tools"][0]["name"] == "add"
    assert first["input"] == [{"type": "message", "role": "user", "content": "1+2 and 3+4?"}]
    assert first["stream"] is False
    assert "previous_response_id" not in first


async def test_the_asynchronous_node_sends_the_same(responses_backend: Backend) -> None:
    for _ in range(2):
        responses_backend.call_tool("add", a=1, b=2).then.reply("3").then.reply("still 3")
    inputs = []
    for asynchronous in (False, True):
        graph = loop(node(tools=[add]), saver=InMemorySaver())
        before = len(responses_backend.creates)
        for text in ("1+2?", "sure?"):
            if asynchronous:
                await graph.ainvoke(says(text), THREAD)
            else:
                graph.invoke(says(text), THREAD)
        inputs.append([len(each.input) for each in responses_backend.creates[before:]])
    assert inputs == [[1, 1, 1], [1, 1, 1]]


def test_streamed_and_whole_turns_leave_the_same_state(responses_backend: Backend) -> None:
    states = []
    for streamed in (False, True):
        backend = responses_backend
        backend.reason("hm", summary="I add", encrypted=True).call_tool("add", a=1, b=2).then.reply(
            "3"
        )
        graph = loop(node(tools=[add], chaining="never"), saver=InMemorySaver())
        if streamed:
            list(graph.stream(says("1+2?"), THREAD, stream_mode="messages"))
        else:
            graph.invoke(says("1+2?"), THREAD)
        states.append(graph.get_state(THREAD).values["messages"])
    for one, other in zip(*states, strict=True):
        assert type(one) is type(other)
        keys = [block.keys() for block in one.content if isinstance(block, dict)]
        assert keys == [block.keys() for block in other.content if isinstance(block, dict)]
        assert (
            getattr(one, "tool_calls", []).__len__() == getattr(other, "tool_calls", []).__len__()
        )


def test_tokens_reach_the_messages_stream_of_the_graph(responses_backend: Backend) -> None:
    responses_backend.reply("one two three")
    chunks = [
        chunk.text
        for chunk, _ in loop(node()).stream(says("count"), stream_mode="messages")
        if chunk.text
    ]
    assert chunks == ["one", " two", " three"]


@pytest.mark.filterwarnings("ignore:The v3 streaming protocol")
def test_the_v3_event_stream_leaves_the_same_state(responses_backend: Backend) -> None:
    responses_backend.reason("hm", summary="I add", encrypted=True).call_tool("add", a=1, b=2)
    responses_backend.reply("3").then.reply("sure")
    graph = loop(node(tools=[add]), saver=InMemorySaver())
    run = graph.stream_events(says("1+2?"), THREAD, version="v3")
    assert [message.text for message in run.messages if str(message.text)]
    graph.invoke(says("sure?"), THREAD)
    assert [len(each.input) for each in responses_backend.creates] == [1, 1, 1]


async def test_v2_events_tell_of_the_model_and_its_tokens(responses_backend: Backend) -> None:
    responses_backend.reply("one two")
    names = [
        event["event"] async for event in loop(node()).astream_events(says("hi"), version="v2")
    ]
    assert names.count("on_chat_model_stream") >= 2
    assert names.count("on_chat_model_end") == 1


class WithKey(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    previous_response_id: str | None


class PydanticState(BaseModel):
    messages: Annotated[list[AnyMessage], add_messages] = []
    previous_response_id: str | None = None


@dataclass
class DataclassState:
    messages: Annotated[list[AnyMessage], add_messages] = field(default_factory=list)
    previous_response_id: str | None = None


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LANGGRAPH_STRICT_MSGPACK", "true")
    if request.param == "memory":
        yield InMemorySaver()
    else:
        with SqliteSaver.from_conn_string(str(tmp_path / "thread.db")) as sqlite:
            yield sqlite


@pytest.mark.parametrize("state", [WithKey, PydanticState, DataclassState, ResponsesState])
def test_the_id_is_written_every_turn_where_the_schema_declares_it(
    state: Any, saver: Any, responses_backend: Backend
) -> None:
    responses_backend.call_tool("add", a=1, b=2).then.reply("3").then.reply("sure")
    graph = loop(node(tools=[add]), state=state, saver=saver)
    for text in ("1+2?", "sure?"):
        graph.invoke(says(text), THREAD)
        values = graph.get_state(THREAD).values
        assert values["previous_response_id"] == responses_backend.creates[-1].response_id
        assert values["previous_response_id"] == last_response_id(values["messages"])
    assert [len(each.input) for each in responses_backend.creates] == [1, 1, 1]


def test_a_schema_without_the_key_gets_no_key(responses_backend: Backend, saver: Any) -> None:
    responses_backend.reply("hi")
    graph = loop(node(), saver=saver)
    assert list(graph.invoke(says("hi"), THREAD)) == ["messages"]
    assert list(graph.get_state(THREAD).values) == ["messages"]


class Extra(MessagesState):
    tone: str


def test_instructions_may_be_made_of_state_and_runtime(responses_backend: Backend) -> None:
    responses_backend.reply("hi").then.reply("ho")

    def prompt(state: Extra, runtime: Runtime[dict[str, str]]) -> str:
        return f"Be {state['tone']}, {runtime.context['who']}."

    graph = loop(node(instructions=prompt), state=Extra, context_schema=dict)
    graph.invoke({**says("hi"), "tone": "kind"}, context={"who": "Ann"})
    assert responses_backend.creates[-1].json["instructions"] == "Be kind, Ann."
    asyncio.run(graph.ainvoke({**says("hi"), "tone": "brief"}, context={"who": "Bob"}))
    assert responses_backend.creates[-1].json["instructions"] == "Be brief, Bob."


def test_settings_may_differ_from_run_to_run(responses_backend: Backend) -> None:
    responses_backend.reply("hi")
    settings = lambda state, runtime: {"temperature": len(state["messages"]), "max_tokens": 99}  # noqa: E731
    loop(node(model_settings=settings, temperature=0.5)).invoke(says("hi"))
    body = responses_backend.creates[-1].json
    assert (body["temperature"], body["max_output_tokens"]) == (1, 99)


def test_leading_system_messages_follow_the_nodes_instructions(responses_backend: Backend) -> None:
    responses_backend.reply("hi")
    history = [SystemMessage("Be kind."), HumanMessage("hi")]
    loop(node(instructions="You are Ann.")).invoke({"messages": history})
    assert responses_backend.contexts[-1].instructions == "You are Ann.\n\nBe kind."
    assert types(responses_backend) == ["message"]


def guide(chat: Any) -> Any:
    """The graph of the servers' own guides: one node, no checkpointer, the last id passed in."""
    graph = StateGraph(WithKey)
    graph.add_node("chat", chat)
    graph.add_edge(START, "chat")
    graph.add_edge("chat", END)
    return graph.compile()


def plain(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


@pytest.mark.parametrize("server", ["openai", "aleph-alpha", None])
def test_the_graph_of_the_server_guides_runs_with_the_node_in_place_of_its_function(
    server: str | None, responses_backend: Backend
) -> None:
    responses_backend.reply("Hi Ann").then.reply("Ann")
    app = guide(node(server=server))
    state = app.invoke({"messages": [plain("I am Ann")], "previous_response_id": None})
    first = state["previous_response_id"]
    state = app.invoke({"messages": [plain("Who am I?")], "previous_response_id": first})
    assert state["messages"][-1].text == "Ann"
    assert state["previous_response_id"] != first
    assert responses_backend.creates[-1].previous_response_id == first
    assert responses_backend.contexts[-1].texts == ["I am Ann", "Hi Ann", "Who am I?"]


def test_a_seeded_conversation_goes_on_over_tool_calls(responses_backend: Backend) -> None:
    responses_backend.reply("Hi").then.call_tool("add", a=1, b=2).then.reply("3")
    seed = guide(node()).invoke({"messages": [plain("hi")]})["previous_response_id"]
    graph = loop(node(tools=[add]), state=WithKey)
    graph.invoke({**says("1+2?"), "previous_response_id": seed})
    assert types(responses_backend) == [
        *["message"] * 3,
        "function_call",
        "function_call_output",
    ]


def test_the_configuration_may_seed_a_checkpointed_thread(responses_backend: Backend) -> None:
    responses_backend.reply("Hi Ann").then.reply("Ann").then.reply("Ann!")
    seed = guide(node()).invoke({"messages": [plain("I am Ann")]})["previous_response_id"]
    graph = loop(node(), saver=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1", "previous_response_id": seed}}
    graph.invoke(says("Who am I?"), config)
    graph.invoke(says("Sure?"), THREAD)
    assert responses_backend.contexts[-1].texts[0] == "I am Ann"
    assert len(responses_backend.contexts[-1]) == 5


def test_the_id_in_a_checkpoint_is_no_seed(responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two")
    graph = loop(node(), state=WithKey, saver=InMemorySaver())
    state = graph.invoke(says("SECRET"), THREAD)
    removed = [RemoveMessage(id=message.id) for message in state["messages"]]
    graph.update_state(THREAD, {"messages": removed}, as_node="tools")
    graph.invoke(says("hello"), THREAD)
    assert responses_backend.contexts[-1].texts == ["hello"]


def test_the_id_of_another_node_is_no_seed(responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two")
    graph = StateGraph(ResponsesState)
    graph.add_sequence([("first", node()), ("second", node())])
    graph.add_edge(START, "first")
    graph.compile().invoke(says("hi"))
    assert responses_backend.creates[1].previous_response_id is None
    assert responses_backend.contexts[-1].texts == ["hi", "one"]


def test_a_lost_seed_is_said_and_not_papered_over(responses_backend: Backend) -> None:
    with pytest.raises(ChainLostError, match="resp_gone"):
        guide(node()).invoke({"messages": [plain("hi")], "previous_response_id": "resp_gone"})


def test_a_lost_response_is_replayed_once(responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two").then.reply("three")
    graph = loop(node(), saver=InMemorySaver())
    graph.invoke(says("a"), THREAD)
    responses_backend.forget()
    events = list(graph.stream(says("b"), THREAD, stream_mode=["custom", "messages"]))
    graph.invoke(says("c"), THREAD)
    assert [len(each.input) for each in responses_backend.creates] == [1, 1, 3, 1]
    assert responses_backend.contexts[-1].texts == ["a", "one", "b", "two", "c"]
    notices = [event for mode, event in events if mode == "custom"]
    assert [notice["type"] for notice in notices] == ["responses_adapters.recovered"]
    last = graph.get_state(THREAD).values["messages"]
    assert [m.response_metadata["responses"]["how"] for m in last[1::2]] == [
        "replay",
        "recovered",
        "delta",
    ]


def test_parallel_nodes_share_a_messages_state(responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two").then.reply("three").then.reply("four")
    graph = StateGraph(ResponsesState)
    for name in ("left", "right"):
        graph.add_node(name, node())
        graph.add_edge(START, name)
    app = graph.compile(checkpointer=InMemorySaver())
    app.invoke(says("hi"), THREAD)
    state = app.invoke(says("again"), THREAD)
    assert len(state["messages"]) == 6
    for context in responses_backend.contexts[-2:]:
        assert sorted(context.texts) == ["again", "hi", "one", "two"]


def test_two_agents_do_not_show_each_other_their_reasoning(responses_backend: Backend) -> None:
    responses_backend.reason("secret", encrypted=True).reply("one").then.reply("two")
    graph = StateGraph(MessagesState)
    graph.add_sequence([("first", node(instructions="A")), ("second", node(instructions="B"))])
    graph.add_edge(START, "first")
    graph.compile().invoke(says("hi"))
    assert types(responses_backend) == ["message", "message"]
    assert responses_backend.contexts[-1].instructions == "B"


def test_a_changed_prompt_reaches_the_server(responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two")
    graph = loop(
        node(instructions=lambda state, _: f"{len(state['messages'])}"), saver=InMemorySaver()
    )
    graph.invoke(says("a"), THREAD)
    graph.invoke(says("b"), THREAD)
    assert responses_backend.contexts[-1].instructions == "3"
    assert responses_backend.creates[-1].previous_response_id is not None


def test_time_travel_continues_the_older_response(responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two").then.reply("fork")
    graph = loop(node(), saver=InMemorySaver())
    graph.invoke(says("a"), THREAD)
    past = graph.get_state(THREAD).config
    graph.invoke(says("b"), THREAD)
    graph.invoke(says("c"), past)
    first = responses_backend.creates[0].response_id
    assert responses_backend.creates[-1].previous_response_id == first
    assert responses_backend.contexts[-1].texts == ["a", "one", "c"]


def test_a_message_that_was_removed_is_not_seen_again(responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two")
    graph = loop(node(), saver=InMemorySaver())
    state = graph.invoke(says("SECRET"), THREAD)
    graph.update_state(THREAD, {"messages": [RemoveMessage(id=state["messages"][0].id)]})
    graph.invoke(says("b"), THREAD)
    assert responses_backend.contexts[-1].texts == ["one", "b"]


def test_a_call_that_a_person_edited_is_what_the_model_sees(responses_backend: Backend) -> None:
    responses_backend.call_tool("add", a=1, b=2).then.reply("9")
    graph = StateGraph(MessagesState)
    graph.add_node("model", node(tools=[add]))
    graph.add_node("tools", ToolNode([add]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    app = graph.compile(checkpointer=InMemorySaver(), interrupt_before=["tools"])
    message = app.invoke(says("1+2?"), THREAD)["messages"][-1]
    edited = [{**message.tool_calls[0], "args": {"a": 4, "b": 5}}]
    app.update_state(THREAD, {"messages": [message.model_copy(update={"tool_calls": edited})]})
    app.invoke(None, THREAD)
    _, used, output = responses_backend.contexts[-1]
    assert used["arguments"] == '{"a": 4, "b": 5}'
    assert output["output"] == "9"


def test_talking_over_a_pending_call_answers_it(responses_backend: Backend) -> None:
    responses_backend.call_tool("add", a=1, b=2).then.reply("ok")
    graph = StateGraph(MessagesState)
    graph.add_node("model", node(tools=[add]))
    graph.add_edge(START, "model")
    app = graph.compile(checkpointer=InMemorySaver())
    app.invoke(says("1+2?"), THREAD)
    app.invoke(says("never mind"), THREAD)
    assert [item["type"] for item in responses_backend.creates[-1].input] == [
        "function_call_output",
        "message",
    ]
    assert "not run" in responses_backend.creates[-1].input[0]["output"]


def test_a_dangling_call_may_be_an_error(responses_backend: Backend) -> None:
    responses_backend.call_tool("add", a=1, b=2)
    graph = StateGraph(MessagesState)
    graph.add_node("model", node(tools=[add], on_dangling_calls="raise"))
    graph.add_edge(START, "model")
    app = graph.compile(checkpointer=InMemorySaver())
    app.invoke(says("1+2?"), THREAD)
    with pytest.raises(DanglingToolCallError, match="'add'"):
        app.invoke(says("never mind"), THREAD)


@pytest.mark.parametrize("arguments", ['{"a": 1', "[1, 2]", "three"])
@pytest.mark.parametrize("streamed", [True, False])
def test_malformed_arguments_never_brick_a_thread(
    arguments: str, streamed: bool, responses_backend: Backend
) -> None:
    responses_backend.call_tool("add", arguments).then.reply("sorry")
    graph = loop(node(tools=[add], streaming=streamed), saver=InMemorySaver())
    state = graph.invoke(says("1+2?"), THREAD)
    assert state["messages"][-1].tool_calls == []
    assert state["messages"][-1].invalid_tool_calls[0]["args"] == arguments
    graph.invoke(says("well?"), THREAD)
    assert types(responses_backend) == [
        "message",
        "function_call",
        "function_call_output",
        "message",
    ]
    assert "not a JSON object" in responses_backend.contexts[-1][2]["output"]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_of_a_tool_that_nobody_has_is_answered(
    *, streamed: bool, responses_backend: Backend
) -> None:
    responses_backend.call_tool("divide", a=1, b=2).then.reply("sorry")
    graph = loop(node(tools=[add], streaming=streamed), saver=InMemorySaver())
    assert graph.invoke(says("1/2?"), THREAD)["messages"][-1].text == "sorry"
    assert "divide is not a valid tool" in responses_backend.contexts[-1][2]["output"]


def test_responses_condition_lets_the_model_correct_malformed_arguments(
    responses_backend: Backend,
) -> None:
    responses_backend.call_tool("add", "{").then.call_tool("add", a=1, b=2).then.reply("3")
    graph = StateGraph(MessagesState)
    graph.add_node("model", node(tools=[add]))
    graph.add_node("tools", ToolNode([add]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", responses_condition)
    graph.add_edge("tools", "model")
    assert graph.compile().invoke(says("1+2?"))["messages"][-1].text == "3"


def test_nulls_for_omitted_optionals_never_reach_the_tool(responses_backend: Backend) -> None:
    seen: list[dict[str, Any]] = []

    @tool
    def find(name: str, limit: int = 3) -> str:
        """Find by name."""
        seen.append({"name": name, "limit": limit})
        return "found"

    raw = '{"name":"x","limit":null}'
    responses_backend.call_tool("find", raw).then.reply("ok")
    graph = StateGraph(MessagesState)
    graph.add_node("model", node(tools=[find], chaining="never"))
    graph.add_node("tools", ToolNode([find]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    state = graph.compile().invoke(says("x?"))
    assert state["messages"][1].tool_calls[0]["args"] == {"name": "x"}
    assert seen == [{"name": "x", "limit": 3}]
    assert responses_backend.creates[-1].input[1]["arguments"] == raw


def test_hosted_tools_go_out_untouched(responses_backend: Backend) -> None:
    responses_backend.reply("ok")
    hosted = [{"type": "orq:google_search", "region": "eu"}, {"type": "web_search"}]
    loop(node(tools=[*hosted, add])).invoke(says("hi"))
    assert responses_backend.creates[-1].json["tools"][:2] == hosted


def test_the_loop_ends_at_max_iterations(responses_backend: Backend) -> None:
    for _ in range(2):
        responses_backend.call_tool("add", a=1, b=2)
    with pytest.raises(MaxIterationsError, match="2 turns since the last user message"):
        loop(node(tools=[add], max_iterations=2)).invoke(says("forever"))


def test_an_incomplete_answer_may_be_an_error(responses_backend: Backend) -> None:
    responses_backend.reply("half").incomplete().then.reply("half").incomplete()
    assert (
        loop(node()).invoke(says("hi"))["messages"][-1].response_metadata["status"] == "incomplete"
    )
    with pytest.raises(ResponseIncompleteError, match="max_output_tokens"):
        loop(node(on_incomplete="raise")).invoke(says("hi"))


def test_ten_turns_with_a_tool_call_each_keep_requests_small(responses_backend: Backend) -> None:
    graph = loop(node(tools=[add]), saver=InMemorySaver())
    sizes = []
    for turn in range(10):
        responses_backend.call_tool("add", a=turn, b=2).then.reply(f"it is {turn + 2}")
        graph.invoke(says(f"{turn}+2?"), THREAD)
        sizes.append(max(len(each.body) for each in responses_backend.creates[-2:]))
    assert sizes[-1] <= 1.2 * sizes[1]
    assert types(responses_backend) == [
        "message",
        "function_call",
        "function_call_output",
        "message",
    ] * 9 + ["message", "function_call", "function_call_output"]


def test_a_state_may_keep_its_messages_elsewhere(responses_backend: Backend) -> None:
    class Chat(TypedDict):
        chat: Annotated[list[AnyMessage], add_messages]

    responses_backend.reply("hi")
    graph = StateGraph(Chat)
    graph.add_node("model", node(messages_key="chat"))
    graph.add_edge(START, "model")
    assert graph.compile().invoke({"chat": [("user", "hi")]})["chat"][-1].text == "hi"


def test_a_plain_list_of_items_is_a_state_too(responses_backend: Backend) -> None:
    class Items(TypedDict):
        messages: Annotated[list[Any], operator.add]

    responses_backend.reply("3")
    graph = StateGraph(Items)
    graph.add_node("model", node())
    graph.add_edge(START, "model")
    call = {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": "3"}
    graph.compile().invoke({"messages": [plain("1+2?"), call, output]})
    assert types(responses_backend) == ["message", "function_call", "function_call_output"]


def test_responses_state_takes_tool_outputs_as_plain_dicts(responses_backend: Backend) -> None:
    responses_backend.call_tool("add", call_id="call_x", a=1, b=2).then.reply("3")
    graph = StateGraph(ResponsesState)
    graph.add_node("model", node(tools=[add]))
    graph.add_edge(START, "model")
    app = graph.compile(checkpointer=InMemorySaver())
    app.invoke({"messages": [plain("1+2?")]}, THREAD)
    output = {"type": "function_call_output", "call_id": "call_x", "output": "3"}
    state = app.invoke({"messages": [output]}, THREAD)
    assert isinstance(state["messages"][2], ToolMessage)
    assert responses_backend.creates[-1].input == [output]


def test_a_foreign_answer_in_between_is_sent_along(responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("three")
    graph = loop(node(), saver=InMemorySaver())
    graph.invoke(says("a"), THREAD)
    graph.invoke({"messages": [HumanMessage("b"), AIMessage("two"), HumanMessage("c")]}, THREAD)
    assert [item["role"] for item in responses_backend.creates[-1].input] == [
        "user",
        "assistant",
        "user",
    ]


def test_a_chat_openai_node_and_ours_read_each_other(responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two").then.reply("three")
    theirs = ChatOpenAI(model="gpt-5", use_responses_api=True, **GATEWAY)
    graph = StateGraph(MessagesState)
    graph.add_node("ours", node())
    graph.add_node("theirs", lambda state: {"messages": [theirs.invoke(state["messages"])]})
    graph.add_node("again", node())
    graph.add_edge(START, "ours")
    graph.add_edge("ours", "theirs")
    graph.add_edge("theirs", "again")
    graph.compile().invoke(says("hi"))
    assert responses_backend.contexts[-1].texts == ["hi", "one", "two"]


def test_the_clients_of_an_azure_model_are_used(responses_backend: Backend) -> None:
    responses_backend.reply("hi")
    azure = AzureChatOpenAI(
        azure_endpoint="https://acme.openai.azure.com",
        azure_deployment="gpt-5",
        api_version="2025-04-01-preview",
        api_key="azure-key",
    )
    loop(ResponsesNode(azure)).invoke(says("hi"))
    request = responses_backend.creates[-1]
    assert request.headers["api-key"] == "azure-key"


def test_bindings_of_a_model_are_kept(responses_backend: Backend) -> None:
    responses_backend.call_tool("add", a=1, b=2)
    model = ChatOpenAI(
        model="gpt-5",
        max_tokens=99,
        reasoning={"effort": "low"},
        model_kwargs={"prompt_cache_key": "a", "max_tool_calls": 3},
        extra_body={"safety_identifier": "u1"},
        include=["reasoning.encrypted_content"],
        tags=["mine"],
        **GATEWAY,
    )
    bound = model.bind_tools([add], tool_choice="add").bind(temperature=0)
    ResponsesNode(bound.with_config(tags=["more"])).invoke(says("hi"))
    body = responses_backend.creates[-1].json
    assert body["max_output_tokens"] == 99
    assert body["reasoning"] == {"effort": "low"}
    assert body["prompt_cache_key"] == "a"
    assert (body["max_tool_calls"], body["safety_identifier"], body["temperature"]) == (3, "u1", 0)
    assert body["tool_choice"] == {"type": "function", "name": "add"}
    assert body["include"] == ["reasoning.encrypted_content"]


def test_the_retries_of_a_model_are_kept(responses_backend: Backend) -> None:
    responses_backend.fail(503, message="down")
    with pytest.raises(openai.InternalServerError, match="down"):
        ResponsesNode(ChatOpenAI(model="m", max_retries=0, **GATEWAY)).invoke(says("hi"))


def test_a_retrying_model_is_refused_with_the_way_to_retry() -> None:
    with pytest.raises(ConfigurationError, match=r"RetryPolicy\(retry_on=responses_retry_on\)"):
        ResponsesNode(ChatOpenAI(model="gpt-5", api_key="sk-x").with_retry())


def test_a_model_of_another_kind_is_refused_by_name() -> None:
    from langchain_core.language_models import FakeListChatModel

    with pytest.raises(ConfigurationError, match="cannot send through FakeListChatModel"):
        ResponsesNode(FakeListChatModel(responses=[]))


def test_an_empty_message_list_is_said_in_one_line() -> None:
    with pytest.raises(ConfigurationError, match="the state holds no messages") as error:
        loop(node()).invoke({"messages": []})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"chat": [HumanMessage("hi")]}, "holds no messages, only chat: .* messages_key="),
        ([HumanMessage("hi")], r'takes a state, not its messages: invoke\({"messages": '),
        ("hi", r'takes a state, not its messages: invoke\({"messages": '),
    ],
)
def test_messages_that_are_elsewhere_are_pointed_to(state: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        node().invoke(state)


def test_system_messages_alone_are_no_conversation() -> None:
    with pytest.raises(ConfigurationError, match="no messages to send"):
        loop(node()).invoke({"messages": [SystemMessage("be kind")]})


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: node(base_ur="x"), ConfigurationError, "did you mean 'base_url'"),
        (lambda: ChatResponses("gpt-5", api_kee="x"), ConfigurationError, "did you mean 'api_key'"),
        (lambda: node(server="orc"), UnknownServerError, "Did you mean 'orq'"),
        (
            lambda: node(server="aleph-alpha", base_url=None),
            ConfigurationError,
            "ALEPH_ALPHA_BASE_URL",
        ),
        (lambda: node(server=None, base_url="gw/v1"), ConfigurationError, "not an http"),
        (lambda: ChatResponses(api_key="x"), ConfigurationError, "needs a model"),
        (lambda: node(store=InMemorySaver()), ConfigurationError, "compile"),
        (lambda: node(output_version="v0"), ConfigurationError, "standard blocks"),
        (lambda: node(system_prompt="x"), ConfigurationError, "did you mean 'instructions'"),
        (lambda: node(on_approval="ask"), ConfigurationError, "'interrupt' nor 'return'"),
        (lambda: node(chaining="nevr"), ConfigurationError, "chaining=.*'always' or 'never'"),
        (lambda: node(prompt="be kind"), ConfigurationError, "prompt=.*valid dictionary"),
        (lambda: ChatResponses("m", api_key=[OTHER]), ConfigurationError, "api_key=.*valid string"),
        (
            lambda: ChatResponses("m", client=openai.AsyncOpenAI(api_key="x")),
            ConfigurationError,
            "client= holds an asynchronous client: that is async_client=",
        ),
        (
            lambda: ChatResponses("m", async_client=openai.OpenAI(api_key="x")),
            ConfigurationError,
            "async_client= holds a synchronous client: that is client=",
        ),
        (
            lambda: node(http_client=openai.DefaultAsyncHttpxClient()),
            ConfigurationError,
            "http_client= holds an asynchronous client: that is http_async_client=",
        ),
        (
            lambda: node(http_async_client=openai.DefaultHttpxClient()),
            ConfigurationError,
            "http_async_client= holds a synchronous client: that is http_client=",
        ),
        (
            lambda: ResponsesNode(ChatResponses("m", **GATEWAY), temperature=1),
            ConfigurationError,
            "temperature: these belong to the model",
        ),
    ],
)
def test_bad_options_are_refused_in_one_readable_line(
    make: Callable[[], Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        make()
    assert "\n" not in str(raised.value)
    assert OTHER not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"temperatur": 1}, "did you mean 'temperature'"),
        ({"api_key": OTHER}, r"api_key= holds for all calls: .* ChatResponses\(..., api_key="),
        ({"max_retries": 0}, r"max_retries= holds for all calls"),
        ({"chaining": "nevr"}, "chaining='nevr' is none of 'auto', 'always', 'never'"),
    ],
)
def test_a_call_option_that_cannot_be_is_refused(
    settings: dict[str, Any], words: str, responses_backend: Backend
) -> None:
    with pytest.raises(ConfigurationError, match=words) as raised:
        loop(node(model_settings=settings)).invoke(says("hi"))
    assert OTHER not in str(raised.value)
    assert responses_backend.requests == []


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_no_call_goes_round_the_clients_one_has_given(
    asynchronous: bool, responses_backend: Backend
) -> None:
    given: dict[str, Any] = {"http_client": openai.DefaultHttpxClient()}
    if not asynchronous:
        given = {"http_async_client": openai.DefaultAsyncHttpxClient()}
    app = loop(node(**given))
    with pytest.raises(ConfigurationError, match="for the other calls only"):
        await app.ainvoke(says("hi")) if asynchronous else app.invoke(says("hi"))
    assert responses_backend.requests == []


@pytest.mark.parametrize("named", [{}, {"server": "openai", "api_key": "own"}])
def test_a_foreign_address_never_gets_the_openai_key(
    monkeypatch: pytest.MonkeyPatch, responses_backend: Backend, named: dict[str, str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    responses_backend.reply("hi")
    loop(ResponsesNode("m", base_url="https://other.test/v1", **named)).invoke(says("hi"))
    assert "secret" not in str(responses_backend.creates[-1].headers)


def test_a_wrong_key_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, responses_backend: Backend
) -> None:
    responses_backend.require_key("sk-right")
    with pytest.raises(openai.AuthenticationError, match="OPENAI_API_KEY"):
        loop(node()).invoke(says("hi"))


def test_a_model_that_does_not_exist_is_named(responses_backend: Backend) -> None:
    responses_backend.only_models("gpt-4")
    with pytest.raises(openai.APIStatusError, match="model 'gpt-5' does not exist"):
        loop(node()).invoke(says("hi"))


@pytest.mark.responses_backend(patch=False)
def test_an_unreachable_server_is_named() -> None:
    unreachable = node(base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(openai.APIConnectionError, match=r"cannot reach http://127\.0\.0\.1:9/v1"):
        loop(unreachable).invoke(says("hi"))


def test_the_key_is_nowhere_to_be_read(responses_backend: Backend, saver: Any) -> None:
    responses_backend.reply("hi")
    key = "sk-very-secret"
    model = ChatResponses("gpt-5", base_url="https://gw.test/v1", api_key=key, server="openai")
    graph = loop(ResponsesNode(model), saver=saver)
    state = graph.invoke(says("hi"), THREAD)
    shown = [repr(model), str(state), str(graph.get_state(THREAD)), str(model._identifying_params)]
    assert not any(key in text for text in shown)


@pytest.mark.parametrize("chaining", ["auto", "never"])
def test_a_reference_to_a_stored_item_goes_out_as_it_is(
    chaining: Any, responses_backend: Backend
) -> None:
    responses_backend.reply("one").then.reply("two").then.reply("three")
    stored = ChatResponses("m", **GATEWAY).invoke("hi")
    reference = {"type": "item_reference", "id": stored.content[0]["id"]}
    app = loop(node(chaining=chaining), saver=InMemorySaver())
    app.invoke({"messages": [HumanMessage([reference]), HumanMessage("more")]}, THREAD)
    app.invoke(says("again"), THREAD)
    sent = responses_backend.creates[-1 if chaining == "never" else 1].input
    assert sent[0] == reference
    assert responses_backend.contexts[-1].texts == ["one", "more", "two", "again"]


def test_responses_state_takes_references_as_plain_dicts(responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two")
    stored = ChatResponses("m", **GATEWAY).invoke("hi")
    reference = {"type": "item_reference", "id": stored.content[0]["id"]}
    graph = StateGraph(ResponsesState)
    graph.add_node("model", node())
    graph.add_edge(START, "model")
    graph.compile().invoke({"messages": [reference, plain("more")]})
    assert responses_backend.creates[-1].input[0] == reference
    assert responses_backend.contexts[-1].texts == ["one", "more"]


def test_a_reference_in_another_agents_answer_is_left_out(responses_backend: Backend) -> None:
    responses_backend.reply("one")
    answer = AIMessage([{"type": "item_reference", "id": "msg_elsewhere"}, "said"])
    loop(node()).invoke({"messages": [HumanMessage("hi"), answer, HumanMessage("more")]})
    assert responses_backend.contexts[-1].texts == ["hi", "said", "more"]
