from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import BaseTool, InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState, ToolNode
from langgraph.types import Command, interrupt
from pydantic_ai import (
    Agent,
    ApprovalRequired,
    DeferredToolRequests,
    DeferredToolResults,
    RunContext,
    Tool,
)
from pydantic_ai.models.test import TestModel
from pydantic_ai.toolsets import FunctionToolset

from responses_adapters.tools import Namespace, Toolbox, ToolCall, ToolConversionError
from responses_adapters.tools.pydantic_ai import load_toolset

UNASKED = "The call was declined: wipe needs approval, and there is nobody to give it."
DECLINED = "The call was declined: ask me on Monday"


def wipe(path: str) -> str:
    """Delete everything under a path."""
    return f"{path} wiped"


def ask_on_monday(call: ToolCall, arguments: dict[str, Any]) -> str:
    return "ask me on Monday"


def agree(call: ToolCall, arguments: dict[str, Any]) -> bool:
    return True


async def answer(tools: list[Any], **options: Any) -> Any:
    call = {"type": "function_call", "name": "wipe", "call_id": "c1", "arguments": '{"path": "/"}'}
    (item,) = await Toolbox(tools, **options).execute([call])
    return item["output"]


def graph_of(box: Toolbox, **options: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("tools", ToolNode(box.to_langchain()))
    builder.add_edge(START, "tools")
    return builder.compile(**options)


def calling(arguments: dict[str, Any]) -> dict[str, Any]:
    call = {"name": "wipe", "args": arguments, "id": "c1", "type": "tool_call"}
    return {"messages": [AIMessage("", tool_calls=[call])]}


async def tool_message(box: Toolbox) -> ToolMessage:
    state = await graph_of(box).ainvoke(calling({"path": "/"}))
    message = state["messages"][-1]
    assert graph_of(box).invoke(calling({"path": "/"}))["messages"][-1].content == message.content
    return message


async def marked() -> list[list[Any]]:
    toolset: FunctionToolset[Any] = FunctionToolset()
    toolset.add_function(wipe, requires_approval=True)
    wrapped = FunctionToolset([wipe]).approval_required()
    return [[Tool(wipe, requires_approval=True)], [toolset], await load_toolset(wrapped)]


async def test_a_pydantic_ai_tool_that_needs_approval_runs_only_once_somebody_agreed():
    for tools in await marked():
        assert await answer(tools) == UNASKED
        assert await answer(tools, approve=ask_on_monday) == DECLINED
        assert await answer(tools, approve=agree) == "/ wiped"


async def test_an_approval_that_this_library_does_not_give_is_left_to_the_agent():
    for tools in await marked():
        made = Toolbox(tools).to_pydantic_ai()
        agent: Any = Agent(TestModel(), tools=made, output_type=[str, DeferredToolRequests])
        first = await agent.run("wipe it")
        (asked,) = first.output.approvals
        second = await agent.run(
            message_history=first.all_messages(),
            deferred_tool_results=DeferredToolResults(approvals={asked.tool_call_id: True}),
        )

        assert asked.tool_name == "wipe"
        assert json.loads(second.output) == {"wipe": "a wiped"}


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_agent_asks_before_it_runs_a_tool_of_the_toolbox(is_async: bool):
    asked: list[ToolCall] = []

    async def approve(call: ToolCall, arguments: dict[str, Any]) -> bool | str:
        asked.append(call)
        return arguments == {"path": "a"} and len(asked) > 1

    async def wipe_later(path: str) -> str:
        return wipe(path)

    wipe_later.__name__ = "wipe"
    for given in (wipe_later if is_async else wipe, Tool(wipe, requires_approval=True)):
        asked.clear()
        made = Toolbox([given], approve=approve).to_pydantic_ai()
        outputs = [(await Agent(TestModel(), tools=made).run("wipe it")).output for _ in range(2)]

        assert json.loads(outputs[0]) == {"wipe": "The call was declined by the user."}
        assert json.loads(outputs[1]) == {"wipe": "a wiped"}
        assert [(call.name, call.arguments) for call in asked] == [("wipe", '{"path": "a"}')] * 2
        assert asked[0].call_id


async def test_the_tool_node_asks_before_it_runs_a_tool_of_the_toolbox():
    asked: list[ToolCall] = []

    async def approve(call: ToolCall, arguments: dict[str, Any]) -> bool:
        asked.append(call)
        return True

    declined = await tool_message(Toolbox([wipe], approve=ask_on_monday))
    for tools in await marked():
        assert (await tool_message(Toolbox(tools, approve=agree))).content == "/ wiped"
    agreed = await tool_message(Toolbox([wipe], approve=approve))

    assert (declined.content, declined.status) == (DECLINED, "error")
    assert (agreed.content, agreed.status) == ("/ wiped", "success")
    assert asked == [ToolCall("c1", "wipe", '{"path": "/"}')] * 2


def test_a_tool_of_a_namespace_is_asked_about_by_its_whole_name():
    asked: list[str] = []

    def approve(call: ToolCall, arguments: dict[str, Any]) -> bool:
        asked.append(call.name)
        return False

    (made,) = Toolbox([Namespace("disk", "Disk.", [wipe])], approve=approve).to_langchain()

    assert made.invoke({"path": "/"}) == "The call was declined by the user."
    assert asked == ["disk.wipe"]


def test_whoever_approves_may_interrupt_the_graph():
    def approve(call: ToolCall, arguments: dict[str, Any]) -> bool:
        return bool(interrupt(f"{call.name} {arguments['path']}?"))

    graph = graph_of(Toolbox([wipe], approve=approve), checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}

    assert graph.invoke(calling({"path": "/"}), thread)["__interrupt__"][0].value == "wipe /?"
    assert graph.invoke(Command(resume=True), thread)["messages"][-1].content == "/ wiped"


class Wiper(BaseTool):
    name: str = "wipe"
    description: str = "Wipe."
    response_format: Any = "content_and_artifact"
    return_direct: bool = True

    def _run(
        self,
        path: str,
        state: Annotated[dict[str, Any], InjectedState],
        call_id: Annotated[str, InjectedToolCallId],
    ) -> Any:
        return f"{path} wiped for {call_id} of {len(state['messages'])}", {"freed": 1}


@tool("wipe", response_format="content_and_artifact")
async def wipe_of_langchain(
    path: str,
    state: Annotated[dict[str, Any], InjectedState],
    call_id: Annotated[str, InjectedToolCallId],
) -> Any:
    """Wipe."""
    return f"{path} wiped for {call_id} of {len(state['messages'])}", {"freed": 1}


@pytest.mark.parametrize("given", [Wiper(), wipe_of_langchain])
async def test_a_langchain_tool_that_is_asked_about_keeps_its_injections_and_its_artifact(
    given: BaseTool,
):
    asked: list[dict[str, Any]] = []

    def approve(call: ToolCall, arguments: dict[str, Any]) -> bool:
        asked.append(arguments)
        return len(asked) > 2

    box = Toolbox([given], approve=approve)
    declined, agreed = await tool_message(box), await tool_message(box)

    assert declined.content == "The call was declined by the user."
    assert (agreed.content, agreed.artifact) == ("/ wiped for c1 of 1", {"freed": 1})
    assert asked == [{"path": "/"}] * 4
    assert box.to_langchain()[0].return_direct is given.return_direct


def test_langchain_cannot_be_handed_a_tool_that_nobody_approves():
    box = Toolbox([Tool(wipe, requires_approval=True)])

    with pytest.raises(ToolConversionError, match=r"wipe needs approval.*pass approve="):
        box.to_langchain()


async def test_a_tool_may_ask_for_approval_of_some_calls_only():
    def wipe(ctx: RunContext[None], path: str) -> str:
        if path == "/" and not ctx.tool_call_approved:
            raise ApprovalRequired
        return f"{path} wiped"

    assert await answer([Tool(wipe)]) == UNASKED
    assert await answer([Tool(wipe)], approve=agree) == "/ wiped"
