"""One conversation with tools in each room, through the same few words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic_ai import Agent
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
)

from responses_adapters.langgraph import Background, ResponsesNode
from responses_adapters.pydantic_ai import ResponsesModel, ResponsesModelSettings

from .upstream import Said

INSTRUCTIONS = "You keep the notes of a ferry: what to buy, whom to meet, and when it leaves."


def save_note(text: str) -> str:
    """Save one note."""
    return f"{text} is saved."


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a conversation is about to be held with.

    Attributes:
        where: `server`, `base_url` and `api_key`.
        model: The model, as the server calls it.
        sync_client: HTTP client of synchronous calls.
        async_client: HTTP client of asynchronous calls.
        background: Whether answers are asked for in the background.
        seed: A response of somebody else's to continue.
        hosted_tools: Tools of the server, as they go over the wire.
    """

    where: Mapping[str, Any]
    model: str
    sync_client: Any
    async_client: Any
    background: bool = False
    seed: str | None = None
    hosted_tools: Sequence[dict[str, Any]] = ()


class Room(Protocol):
    """A conversation that goes on from turn to turn; a turn that failed can be said again."""

    async def say(self, text: str, *, streamed: bool = False) -> str:
        """Say this, run the tools that are called, and give the last answer."""

    def local(self) -> list[Said]:
        """The local history, without the instructions."""

    @property
    def ending(self) -> str:
        """How the newest answer ended, in the framework's word."""

    @property
    def thoughts(self) -> str:
        """The reasoning that came with the newest answer."""

    @property
    def newest_id(self) -> str:
        """The response that holds the newest answer."""


class Graph:
    """A LangGraph graph of model and tools; whole answers come the synchronous way, streams the other."""

    def __init__(self, setting: Setting) -> None:
        node = ResponsesNode(
            setting.model,
            **setting.where,
            instructions=INSTRUCTIONS,
            tools=[save_note, *setting.hosted_tools],
            background=Background(poll_interval=0.1) if setting.background else None,
            http_client=setting.sync_client,
            http_async_client=setting.async_client,
        )
        builder = StateGraph(MessagesState)
        builder.add_node("model", node)
        builder.add_node("tools", ToolNode([save_note]))
        builder.add_edge(START, "model")
        builder.add_conditional_edges("model", tools_condition)
        builder.add_edge("tools", "model")
        self._graph: Any = builder.compile(checkpointer=InMemorySaver())
        options = {"thread_id": "1"}
        if setting.seed is not None:
            options["previous_response_id"] = setting.seed
        self._thread = {"configurable": options}

    async def say(self, text: str, *, streamed: bool = False) -> str:
        failed = bool(self._graph.get_state(self._thread).next)
        given = None if failed else {"messages": [HumanMessage(text)]}
        if streamed:
            async for _ in self._graph.astream(given, self._thread, stream_mode="messages"):
                pass
        else:
            self._graph.invoke(given, self._thread)
        return self._newest.text

    def local(self) -> list[Said]:
        return [_of_langchain(message) for message in self._messages]

    @property
    def ending(self) -> str:
        details = self._newest.response_metadata.get("incomplete_details") or {}
        return str(details.get("reason") or self._newest.response_metadata.get("status"))

    @property
    def thoughts(self) -> str:
        return "".join(
            str(block.get("reasoning", ""))
            for block in self._newest.content_blocks
            if block["type"] == "reasoning"
        )

    @property
    def newest_id(self) -> str:
        return str(self._newest.response_metadata["id"])

    @property
    def _messages(self) -> list[BaseMessage]:
        return list(self._graph.get_state(self._thread).values["messages"])

    @property
    def _newest(self) -> AIMessage:
        newest = self._messages[-1]
        assert isinstance(newest, AIMessage)
        return newest


class PydanticAgent:
    """A PydanticAI agent and the history of its runs."""

    def __init__(self, setting: Setting) -> None:
        settings = ResponsesModelSettings(openai_native_tools=[*setting.hosted_tools])  # type: ignore[list-item]
        if setting.background:
            settings |= {"openai_background": True, "responses_poll_interval": 0.1}
        if setting.seed is not None:
            settings["openai_previous_response_id"] = setting.seed
        model = ResponsesModel(
            setting.model, **setting.where, http_client=setting.async_client, settings=settings
        )
        self._agent = Agent(model, instructions=INSTRUCTIONS, tools=[save_note])
        self._history: list[ModelMessage] = []

    async def say(self, text: str, *, streamed: bool = False) -> str:
        if streamed:
            async with self._agent.run_stream(text, message_history=self._history) as stream:
                answer = await stream.get_output()
            self._history = stream.all_messages()
            return answer
        run = await self._agent.run(text, message_history=self._history)
        self._history = run.all_messages()
        return run.output

    def local(self) -> list[Said]:
        return [said for message in self._history for said in _of_pydantic_ai(message)]

    @property
    def ending(self) -> str:
        return str(self._newest.finish_reason)

    @property
    def thoughts(self) -> str:
        return "".join(
            each.content for each in self._newest.parts if isinstance(each, ThinkingPart)
        )

    @property
    def newest_id(self) -> str:
        return str(self._newest.provider_response_id)

    @property
    def _newest(self) -> ModelResponse:
        newest = self._history[-1]
        assert isinstance(newest, ModelResponse)
        return newest


ROOMS = {"LangGraph": Graph, "PydanticAI": PydanticAgent}


def _of_langchain(message: BaseMessage) -> Said:
    if isinstance(message, AIMessage):
        calls = [(str(call["id"]), call["name"], call["args"]) for call in message.tool_calls]
        return Said("assistant", message.text, _with_json(calls))
    if isinstance(message, ToolMessage):
        return Said("tool", message.text, answers=message.tool_call_id)
    return Said("user", message.text)


def _of_pydantic_ai(message: ModelMessage) -> list[Said]:
    if isinstance(message, ModelRequest):
        return [
            Said("tool", str(part.content), answers=part.tool_call_id)
            if isinstance(part, ToolReturnPart)
            else Said("user", str(part.content))
            for part in message.parts
        ]
    text = "".join(part.content for part in message.parts if isinstance(part, TextPart))
    calls = [
        (part.tool_call_id, part.tool_name, part.args_as_dict())
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]
    return [Said("assistant", text, _with_json(calls))]


def _with_json(calls: Sequence[tuple[str, str, Any]]) -> tuple[tuple[str, str, str], ...]:
    return tuple((call, name, json.dumps(given, sort_keys=True)) for call, name, given in calls)
