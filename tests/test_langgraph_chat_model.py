from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from responses_adapters.errors import ConfigurationError
from responses_adapters.langgraph import ChatResponses
from responses_adapters.testing import Backend
from responses_adapters.testing.transport import make_transport

GATEWAY: dict[str, Any] = {"base_url": "https://gw.test/v1", "api_key": "sk-gw", "server": "openai"}
THREAD: Any = {"configurable": {"thread_id": "1"}}


class Room(BaseModel):
    """A room."""

    name: str = Field(min_length=2)
    floor: int | None = None


class RoomDict(TypedDict):
    name: str


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture
def model() -> ChatResponses:
    return ChatResponses("gpt-4.1", **GATEWAY)


def test_a_stamped_history_is_continued_outside_of_any_graph(
    model: ChatResponses, responses_backend: Backend
) -> None:
    responses_backend.reply("one").then.reply("two")
    history: list[Any] = [HumanMessage("a")]
    history += [model.invoke(history), HumanMessage("b")]
    model.invoke(history)
    assert [len(each.input) for each in responses_backend.creates] == [1, 1]


async def test_the_sum_of_a_stream_is_continued_too(
    model: ChatResponses, responses_backend: Backend
) -> None:
    responses_backend.reason("hm", summary="so", encrypted=True).reply("one").then.reply("two")
    whole: Any = None
    async for chunk in model.astream("a"):
        whole = chunk if whole is None else whole + chunk
    assert (await model.ainvoke([HumanMessage("a"), whole, HumanMessage("b")])).text == "two"
    assert len(responses_backend.creates[-1].input) == 1


@pytest.mark.parametrize("streaming", [True, False])
def test_a_callback_that_asks_a_model_does_not_change_the_answer(
    streaming: bool, responses_backend: Backend
) -> None:
    class Guard(BaseCallbackHandler):
        def on_llm_end(self, *_: Any, **__: Any) -> None:
            list(ChatResponses("m", **GATEWAY).stream("is this answer safe?"))

    responses_backend.reply("the answer").then.reply("it is safe")
    model = ChatResponses("m", streaming=streaming, callbacks=[Guard()], **GATEWAY)
    assert model.invoke("hi").text == "the answer"


def test_another_model_may_answer_a_single_call(
    model: ChatResponses, responses_backend: Backend
) -> None:
    responses_backend.reply("hi")
    model.invoke("hi", model="other")
    assert responses_backend.creates[-1].json["model"] == "other"


def test_a_client_serves_one_event_loop_after_another(
    model: ChatResponses, responses_backend: Backend
) -> None:
    responses_backend.reply("one").then.reply("two")
    assert [asyncio.run(model.ainvoke("hi")).text for _ in range(2)] == ["one", "two"]


def test_pooled_connections_close_with_their_event_loop(
    model: ChatResponses, responses_backend: Backend
) -> None:
    async def use() -> openai.AsyncOpenAI:
        await model.ainvoke("hi")
        return model._connection.async_sdk()

    responses_backend.reply("one")
    assert asyncio.run(use()).is_closed()


def test_message_ids_are_unique_although_a_server_repeats_its_own(
    model: ChatResponses, responses_backend: Backend
) -> None:
    for _ in range(2):
        responses_backend.reply("same")
    one, two = model.invoke("a"), model.invoke("a")
    assert one.id != two.id
    assert one.id is not None
    assert one.id.startswith("lc_run--")


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output_is_an_instance_of_its_class(
    method: Any, model: ChatResponses, responses_backend: Backend
) -> None:
    answer = {"name": "Birch", "floor": None}
    if method == "json_schema":
        responses_backend.reply_json(answer)
    else:
        responses_backend.call_tool("Room", answer)
    assert model.with_structured_output(Room, method=method).invoke("?") == Room(name="Birch")
    body = responses_backend.creates[-1].json
    if method == "json_schema":
        assert body["text"]["format"]["name"] == "Room"
        assert body["text"]["format"]["strict"] is True
    else:
        assert body["tool_choice"] == {"type": "function", "name": "Room"}


def test_structured_output_of_a_typed_dict_is_a_dict(
    model: ChatResponses, responses_backend: Backend
) -> None:
    responses_backend.reply_json({"name": "Birch"})
    assert model.with_structured_output(RoomDict).invoke("?") == {"name": "Birch"}


def test_json_mode_reads_any_object(model: ChatResponses, responses_backend: Backend) -> None:
    responses_backend.reply_json({"name": "Birch"})
    structured = model.with_structured_output(Room, method="json_mode")
    assert structured.invoke("answer as JSON") == Room(name="Birch")
    assert responses_backend.creates[-1].json["text"] == {"format": {"type": "json_object"}}


@pytest.mark.parametrize("script", ["refuse", "short", "prose"])
def test_an_answer_that_does_not_fit_says_so(
    script: str, model: ChatResponses, responses_backend: Backend
) -> None:
    for _ in range(2):
        if script == "refuse":
            responses_backend.refuse("I must not")
        else:
            responses_backend.reply('{"name":"B","floor":1}' if script == "short" else "no JSON")
    words = {"refuse": "refused: I must not", "short": "does not fit Room", "prose": "not fit Room"}
    with pytest.raises(OutputParserException, match=words[script]):
        model.with_structured_output(Room).invoke("?")
    raw = model.with_structured_output(Room, include_raw=True).invoke("?")
    assert raw["parsed"] is None
    assert isinstance(raw["raw"], AIMessage)
    assert isinstance(raw["parsing_error"], OutputParserException)


def test_create_agent_runs_its_loop_in_deltas(
    model: ChatResponses, responses_backend: Backend
) -> None:
    responses_backend.call_tool("add", a=1, b=2).then.reply("3").then.reply("sure")
    agent = create_agent(model, tools=[add], system_prompt="Be kind.", checkpointer=InMemorySaver())
    agent.invoke({"messages": [HumanMessage("1+2?")]}, THREAD)
    agent.invoke({"messages": [HumanMessage("sure?")]}, THREAD)
    assert [len(each.input) for each in responses_backend.creates] == [1, 1, 1]
    assert responses_backend.contexts[-1].instructions == "Be kind."


@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy, None])
def test_create_agent_gives_structured_answers_either_way(
    strategy: Any, model: ChatResponses, responses_backend: Backend
) -> None:
    responses_backend.call_tool("add", a=1, b=2)
    if strategy is ToolStrategy:
        responses_backend.call_tool("Room", name="Birch", floor=3)
    else:
        responses_backend.reply_json({"name": "Birch", "floor": 3})
    agent = create_agent(model, [add], response_format=strategy(Room) if strategy else Room)
    state = agent.invoke({"messages": [HumanMessage("?")]})
    assert state["structured_response"] == Room(name="Birch", floor=3)


def test_a_summarised_history_is_what_the_server_sees(
    model: ChatResponses, responses_backend: Backend
) -> None:
    for text in ("one", "two", "SUMMARY", "three"):
        responses_backend.reply(text)
    middleware = SummarizationMiddleware(
        ChatResponses("small", chain="summary", **GATEWAY),
        trigger=("messages", 5),
        keep=("messages", 1),
    )
    agent = create_agent(model, [], middleware=[middleware], checkpointer=InMemorySaver())
    for text in ("a", "b", "c"):
        agent.invoke({"messages": [HumanMessage(text)]}, THREAD)
    texts = responses_backend.contexts[-1].texts
    assert "SUMMARY" in texts[0]
    assert texts[1:] == ["c"]
    assert responses_backend.creates[-1].previous_response_id is None


async def test_agents_of_the_same_shape_have_chains_of_their_own(
    responses_backend: Backend,
) -> None:
    responses_backend.reply("one").then.reply("two")
    agents = [create_agent(ChatResponses("m", **GATEWAY), [], name=name) for name in ("ann", "bob")]
    state = await agents[0].ainvoke({"messages": [HumanMessage("a")]})
    state = await agents[1].ainvoke({"messages": [*state["messages"], HumanMessage("b")]})
    chains = [m.response_metadata["responses"]["chain"] for m in state["messages"][1::2]]
    assert chains == ["ann", "bob"]
    assert responses_backend.creates[-1].previous_response_id is None


def test_every_request_parameter_reaches_the_wire(responses_backend: Backend) -> None:
    responses_backend.reply("hi")
    options: dict[str, Any] = {
        "temperature": 0.5,
        "top_p": 0.5,
        "max_output_tokens": 99,
        "max_tool_calls": 3,
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low"},
        "truncation": "auto",
        "store": True,
        "service_tier": "auto",
        "safety_identifier": "u",
        "prompt_cache_key": "k",
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
    }
    ChatResponses(
        "gpt-4.1", **GATEWAY, verbosity="low", request_metadata={"team": "a"}, **options
    ).invoke("hi")
    body = responses_backend.creates[-1].json
    assert body == {
        "model": "gpt-4.1",
        "input": [{"type": "message", "role": "user", "content": "hi"}],
        "stream": False,
        "text": {"verbosity": "low"},
        "metadata": {"team": "a"},
        **options,
    }


def test_a_call_option_wins_over_the_models(
    model: ChatResponses, responses_backend: Backend
) -> None:
    responses_backend.reply("hi")
    model.bind(temperature=1).invoke("hi", max_tokens=50, tool_choice=None)
    body = responses_backend.creates[-1].json
    assert (body["temperature"], body["max_output_tokens"]) == (1, 50)


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        ("any", "required"),
        (True, "required"),
        ("auto", "auto"),
        ("none", "none"),
        ("add", {"type": "function", "name": "add"}),
        ({"type": "function", "function": {"name": "add"}}, {"type": "function", "name": "add"}),
        ("web_search", {"type": "web_search"}),
    ],
)
def test_a_tool_choice_is_said_as_the_wire_wants_it(
    choice: Any, wire: Any, model: ChatResponses, responses_backend: Backend
) -> None:
    if wire in ("auto", "none"):
        responses_backend.reply("hi")
    elif choice == "web_search":
        responses_backend.respond(
            [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]
        )
    else:
        responses_backend.call_tool("add", a=1, b=2)
    bound = model.bind_tools([add, {"type": "web_search"}], tool_choice=choice)
    bound.invoke("hi")
    assert responses_backend.creates[-1].json["tool_choice"] == wire


def test_tools_are_converted_once_however_often_they_are_bound(model: ChatResponses) -> None:
    search = {"type": "web_search"}
    first = model.bind_tools([add, search]).kwargs["tools"]  # type: ignore[attr-defined]
    assert model.bind_tools([add, dict(search)]).kwargs["tools"] is first  # type: ignore[attr-defined]
    search["search_context_size"] = "low"
    assert model.bind_tools([add, search]).kwargs["tools"][1] == search  # type: ignore[attr-defined]
    loose = model.bind_tools([add], strict=False).kwargs["tools"]  # type: ignore[attr-defined]
    assert loose[0]["strict"] is False


def test_a_tool_choice_that_names_nothing_is_refused(model: ChatResponses) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'add'"):
        model.bind_tools([add], tool_choice="ad").invoke("hi")


class Recorder(BaseCallbackHandler):
    def __init__(self) -> None:
        self.tokens: list[Any] = []
        self.ended: list[Any] = []

    def on_llm_new_token(self, token: Any, **_: Any) -> None:
        self.tokens.append(token)

    def on_llm_end(self, response: Any, **_: Any) -> None:
        self.ended.append(response.generations[0][0].message)


def test_callbacks_hear_each_token_once_and_how_the_turn_was_sent(
    model: ChatResponses, responses_backend: Backend
) -> None:
    responses_backend.reply("one two")
    recorder = Recorder()
    list(model.stream("hi", {"callbacks": [recorder]}))
    texts = [block[0]["text"] for block in recorder.tokens if block and "text" in block[0]]
    assert texts == ["one", " two"]
    assert recorder.ended[0].response_metadata["responses"]["how"] == "replay"


def test_the_clients_one_has_are_used(responses_backend: Backend) -> None:
    responses_backend.reply("hi")
    http = openai.DefaultHttpxClient(transport=make_transport(responses_backend))
    client = openai.OpenAI(api_key="sk-mine", base_url="https://mine.test/v1", http_client=http)
    assert ChatResponses("m", client=client).invoke("hi").text == "hi"
    assert responses_backend.creates[-1].headers["authorization"] == "Bearer sk-mine"


def test_a_key_changes_nothing_but_the_seal(responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two")
    first = ChatResponses("m", server="openai", base_url="https://gw.test/v1", api_key="sk-1")
    second = ChatResponses("m", server="openai", base_url="https://gw.test/v1", api_key="sk-2")
    answer = first.invoke("a")
    second.invoke([HumanMessage("a"), answer, HumanMessage("b")])
    assert responses_backend.creates[-1].previous_response_id is None
    assert responses_backend.contexts[-1].texts == ["a", "one", "b"]


def test_a_forged_stamp_never_chains(model: ChatResponses, responses_backend: Backend) -> None:
    responses_backend.reply("one").then.reply("two")
    answer = model.invoke("a")
    answer.response_metadata["responses"]["id"] = "resp_of_somebody_else"
    model.invoke([HumanMessage("a"), answer, HumanMessage("b")])
    assert responses_backend.creates[-1].previous_response_id is None
