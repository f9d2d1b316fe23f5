from __future__ import annotations

import json
import warnings
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import (
    BaseTool,
    InjectedToolArg,
    InjectedToolCallId,
    StructuredTool,
    Tool,
    ToolException,
    tool,
)
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState, InjectedStore, ToolNode, ToolRuntime
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from pydantic import BaseModel
from pydantic_ai import RunContext, RunUsage
from pydantic_ai.models.test import TestModel

from responses_adapters.tools import Toolbox, ToolError, to_responses_tool


@tool
def remember(
    fact: str,
    state: Annotated[dict[str, Any], InjectedState],
    user: Annotated[str, InjectedState("user")],
    call_id: Annotated[str, InjectedToolCallId],
    weight: int = 1,
) -> str:
    """Remember a fact."""
    return f"{fact} {len(state)} {user} {call_id} {weight}"


@tool
async def whose(name: str, runtime: ToolRuntime) -> str:
    """Say whose it is."""
    return f"{name} {runtime.state['user']} {runtime.tool_call_id}"


def call(name: str, arguments: str, call_id: str = "c1") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def shown(made: Any) -> list[str]:
    return list(to_responses_tool(made)["parameters"]["properties"])


async def answer(made: Any, arguments: str, context: Any = None) -> Any:
    box = Toolbox([made])
    (item,) = await box.execute([call(box.definitions[0]["name"], arguments)], context=context)
    return item["output"]


def test_injected_arguments_are_never_shown():
    assert shown(remember) == ["fact", "weight"]
    assert shown(whose) == ["name"]


def test_an_argument_injected_beside_a_schema_of_its_own_is_hidden():
    class Input(BaseModel):
        query: str
        user: Annotated[str, InjectedToolArg]

    @tool(args_schema=Input)
    def find(query: str, user: str) -> str:
        """Find."""
        return query + user

    @tool(args_schema={"type": "object", "properties": {"q": {"type": "string"}, "runtime": {}}})
    def look(q: str, runtime: ToolRuntime) -> str:
        """Look."""
        return q

    assert shown(find) == ["query"]
    assert shown(look) == ["q"]


async def test_running_fills_in_state_and_call_id():
    output = await answer(remember, '{"fact": "oak", "weight": null}', {"user": "ann", "n": 1})

    assert output == "oak 2 ann c1 1"


async def test_running_an_async_tool_fills_in_the_runtime():
    assert await answer(whose, '{"name": "hat"}', {"user": "ann"}) == "hat ann c1"


async def test_a_tool_of_one_string_keeps_its_argument():
    shout = Tool(name="shout", description="Shout.", func=str.upper)

    assert to_responses_tool(shout)["strict"] is True
    assert await answer(shout, '{"__arg1": "hey"}') == "HEY"


async def test_a_schema_that_is_a_dict_converts_and_runs():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    double = StructuredTool.from_function(
        func=lambda n: n * 2, name="double", description="Double.", args_schema=schema
    )

    assert await answer(double, '{"n": 4}') == "8"


async def test_langchains_ways_to_speak_to_the_model_are_kept():
    @tool
    def book(room: str) -> str:
        """Book."""
        raise ToolException("taken; try Cedar")

    assert await answer(book, '{"room": "Birch"}') == "taken; try Cedar"
    assert (await answer(book, '{"room": 1}')).startswith("book was not run: room: Input should")


async def test_content_blocks_become_parts():
    @tool
    def see() -> list[dict[str, Any]]:
        """See."""
        return [
            {"type": "text", "text": "a cat"},
            {"type": "image_url", "image_url": {"url": "https://x/cat.png"}},
            {"type": "image", "base64": "eA==", "mime_type": "image/png"},
        ]

    assert await answer(see, "{}") == [
        {"type": "input_text", "text": "a cat"},
        {"type": "input_image", "image_url": "https://x/cat.png"},
        {"type": "input_image", "image_url": "data:image/png;base64,eA=="},
    ]


def test_tools_that_langchain_bound_already_convert_from_their_dicts():
    from langchain_core.utils.function_calling import convert_to_openai_tool

    made = to_responses_tool(convert_to_openai_tool(remember))

    assert made["strict"] is True
    assert made["parameters"]["properties"]["weight"]["type"] == ["integer", "null"]


def test_a_langchain_tool_comes_back_as_itself():
    assert Toolbox([remember]).to_langchain() == [remember]


def test_any_tool_runs_in_an_unchanged_tool_node():
    def add(a: int, b: int = 1) -> int:
        """Add."""
        if a < 0:
            raise ToolError("a must not be negative")
        return a + b

    box = Toolbox([add])
    node = ToolNode(box.to_langchain())
    decoded = box.decode_call("add", '{"a": 2, "b": null}')
    calls = [
        {"name": decoded.name, "args": decoded.arguments, "id": "c1", "type": "tool_call"},
        {"name": "add", "args": {"a": "x"}, "id": "c2", "type": "tool_call"},
        {"name": "add", "args": {"a": -1}, "id": "c3", "type": "tool_call"},
    ]

    messages: list[ToolMessage] = node.invoke(
        [AIMessage("", tool_calls=calls)],
        {"configurable": {"__pregel_runtime": Runtime()}},
    )

    assert [message.content for message in messages] == [
        "3",
        "a: Input should be a valid integer, unable to parse string as an integer",
        "a must not be negative",
    ]


@pytest.mark.parametrize("as_dict", [True, False])
def test_the_langchain_tool_shows_the_tools_own_schema(as_dict: bool):
    def add(a: int, b: int = 1) -> int:
        """Add."""
        return a + b

    (made,) = Toolbox([add]).to_langchain()
    schema = made.args_schema if as_dict else made.tool_call_schema

    assert isinstance(schema, dict)
    assert schema["required"] == ["a"]
    assert schema["properties"]["b"]["default"] == 1


async def test_a_tool_class_runs_in_its_own_asynchronous_form():
    class Look(BaseTool):
        name: str = "look"
        description: str = "Look."

        def _run(self, at: str) -> str:
            raise AssertionError("the asynchronous form was there")

        async def _arun(self, at: str) -> str:
            return f"saw {at}"

    assert await answer(Look(), '{"at": "it"}') == "saw it"


async def test_a_schema_of_a_local_type_converts():
    class Size(BaseModel):
        metres: int

    class Input(BaseModel):
        size: Size

    @tool(args_schema=Input)
    def grow(size: Size) -> str:
        """Grow."""
        return str(size.metres)

    assert await answer(grow, '{"size": {"metres": 3}}') == "3"


async def test_a_model_of_pydantic_v1_is_a_schema_too():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangChain's own, about such models
        from pydantic.v1 import BaseModel as OldModel

        class Input(OldModel):
            n: int

        double = StructuredTool.from_function(
            func=lambda n: n * 2, name="double", description="Double.", args_schema=Input
        )

    assert shown(double) == ["n"]
    assert await answer(double, '{"n": 4}') == "8"


async def test_what_the_graph_holds_reaches_each_injected_place():
    @tool
    def place(
        store: Annotated[Any, InjectedStore], user: Annotated[str, InjectedState("user")]
    ) -> str:
        """Place."""
        return f"{store} {user}"

    @tool
    def whole(everything: Annotated[Any, InjectedToolArg]) -> str:
        """Whole."""
        return str(everything.user)

    @tool
    def running(runtime: ToolRuntime) -> str:
        """Run."""
        return f"{runtime.state} {runtime.tool_call_id}"

    state = SimpleNamespace(user="ann", store="shelf")
    runtime = ToolRuntime(
        state={"n": 1}, context=None, config={}, stream_writer=print, tool_call_id="old", store=None
    )

    assert await answer(place, "{}", state) == "shelf ann"
    assert await answer(whole, "{}", state) == "ann"
    assert await answer(running, "{}", runtime) == "{'n': 1} c1"


async def test_addresses_of_files_become_parts_and_what_has_no_part_becomes_text():
    image = {"type": "image", "url": "https://x/cat.png"}
    file = {"type": "file", "url": "https://x/cat.pdf"}
    video = {"type": "video", "url": "https://x/cat.mp4"}

    def seeing(*blocks: dict[str, str]) -> Any:
        return StructuredTool.from_function(lambda: list(blocks), name="see", description="See.")

    assert await answer(seeing(image, file), "{}") == [
        {"type": "input_image", "image_url": "https://x/cat.png"},
        {"type": "input_file", "file_url": "https://x/cat.pdf"},
    ]
    assert await answer(seeing(video), "{}") == f"[{json.dumps(video)}]"


async def test_an_asynchronous_tool_runs_in_langchain_and_says_what_is_wrong():
    async def add(a: int) -> int:
        """Add."""
        if a < 0:
            raise ToolError("a must not be negative")
        return a + 1

    (made,) = Toolbox([add]).to_langchain()

    assert await made.ainvoke({"a": 1}) == 2
    assert await made.ainvoke({"a": -1}) == "a must not be negative"


def whoami(
    x: int,
    state: Annotated[dict[str, Any], InjectedState],
    user: Annotated[str | None, InjectedState("user")],
    call_id: Annotated[str, InjectedToolCallId],
    store: Annotated[Any, InjectedStore],
    runtime: ToolRuntime,
    config: RunnableConfig,
) -> str:
    """Who."""
    return (
        f"{x} {len(state)} {user} {call_id} {type(store).__name__} {runtime.tool_call_id}"
        f" {config['configurable']['thread_id']}"
    )


class UserState(MessagesState):
    user: str


def graph_of(box: Toolbox, **options: Any) -> Any:
    builder = StateGraph(UserState)
    builder.add_node("tools", ToolNode(box.to_langchain()))
    builder.add_edge(START, "tools")
    return builder.compile(**options)


def test_a_plain_function_gets_what_the_graph_injects_from_a_tool_node():
    message = AIMessage("", tool_calls=[{"name": "whoami", "args": {"x": 1}, "id": "c1"}])
    graph = graph_of(Toolbox([whoami]), store=InMemoryStore())
    state = graph.invoke(
        {"messages": [message], "user": "ann"}, {"configurable": {"thread_id": "t1"}}
    )

    assert state["messages"][-1].content == "1 2 ann c1 InMemoryStore c1 t1"


async def test_a_plain_function_gets_what_the_graph_injects_from_the_runtime_or_the_state():
    runtime: ToolRuntime[Any, Any] = ToolRuntime(
        state={"user": "ann"},
        context=None,
        config={"configurable": {"thread_id": "t1"}},
        stream_writer=print,
        tool_call_id="old",
        store=InMemoryStore(),
    )

    def count(
        state: Annotated[dict[str, Any], InjectedState], config: RunnableConfig | None = None
    ) -> str:
        return f"{len(state['messages'])} {type(config).__name__}"

    assert shown(whoami) == ["x"]
    assert await answer(whoami, '{"x": 1}', runtime) == "1 1 ann c1 InMemoryStore c1 t1"
    assert await answer(count, "{}", [1, 2]) == "2 dict"
    assert await answer(count, "{}", RunContext(deps=[1], model=TestModel(), usage=RunUsage())) == (
        "1 dict"
    )


async def test_an_injection_that_nobody_can_fill_is_said_to_be_missing():
    def state(state: Annotated[dict[str, Any], InjectedState]) -> None: ...
    def user(user: Annotated[str, InjectedState("user")]) -> None: ...
    def store(store: Annotated[Any, InjectedStore]) -> None: ...
    def optional(user: Annotated[str, InjectedState("user")] = "nobody") -> str:
        return user

    advice = (
        "; pass the graph's state, or its ToolRuntime, as context=, or run the tool in a ToolNode"
    )

    assert await answer(state, "{}") == (
        "state: 'state' asks for the graph's state, which is not here" + advice
    )
    assert await answer(user, "{}", {"x": 1}) == (
        "user: 'user' asks for 'user' of the graph's state, which is not here" + advice
    )
    assert await answer(store, "{}", {"x": 1}) == (
        "store: 'store' asks for the graph's store, which is not here" + advice
    )
    assert await answer(optional, "{}", {"x": 1}) == "nobody"
    with pytest.raises(ToolException):
        Toolbox([whoami]).to_langchain()[0].func(x=1)  # type: ignore[attr-defined]


@pytest.mark.parametrize("given", [Annotated[str, InjectedToolCallId], RunnableConfig])
def test_the_config_and_the_id_of_the_call_are_never_shown(given: Any):
    def run(x: int, extra: Any) -> None: ...

    run.__annotations__["extra"] = given

    assert shown(run) == ["x"]
    assert shown(tool(run, description="Run.")) == ["x"]


async def test_a_langchain_tool_gets_its_config_from_langchain():
    class Input(BaseModel, extra="forbid"):
        x: int

    @tool(args_schema=Input)
    def run(x: int, config: RunnableConfig) -> str:
        """Run."""
        return f"{x} {sorted(config)[0]}"

    assert await answer(run, '{"x": 1}') == "1 callbacks"


@pytest.mark.parametrize("as_tool", [True, False])
async def test_what_may_be_missing_is_not_asked_for(as_tool: bool):
    def greet(
        q: str,
        user: Annotated[str | None, InjectedState("user")],
        store: Annotated[BaseStore | None, InjectedStore()] = None,
    ) -> str:
        """Greet."""
        return f"{q} {user} {store}"

    box = Toolbox([tool(greet) if as_tool else greet])
    call = {"type": "function_call", "call_id": "c", "name": "greet", "arguments": '{"q": "hi"}'}
    (output,) = await box.execute([call], context={"messages": [], "user": None})
    assert output["output"] == "hi None None"


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_all_that_a_generator_yields_reaches_the_graph(asynchronous: bool):
    def rows(n: int):
        """Rows."""
        yield from range(n)

    async def rows_later(n: int):
        """Rows."""
        for each in range(n):
            yield each

    (made,) = Toolbox([rows_later if asynchronous else rows]).to_langchain()
    assert await made.ainvoke({"n": 3}) == [0, 1, 2]
