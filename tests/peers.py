"""Three nodes that do the same, and words to put them into a graph and talk to them.

`ours` is `ResponsesNode`, `naive` the node of the server guides, `chaining` ChatOpenAI with `use_previous_response_id=True`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.messages import (
    BaseMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph

from responses_adapters.langgraph import ResponsesNode, ResponsesState
from responses_adapters.testing import Backend

Make = Callable[..., Any]
Scenario = Callable[[Make, Backend], None]
THREAD: Any = {"configurable": {"thread_id": "1"}}
GATEWAY: dict[str, Any] = {"api_key": "sk-gw", "model": "gpt-4.1"}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def chat(base_url: str, **options: Any) -> Runnable[Any, Any]:
    model = ChatOpenAI(
        base_url=base_url, use_responses_api=True, max_retries=0, **GATEWAY, **options
    )
    return model.bind_tools([add])


def ours(base_url: str = "https://gw.test/v1", prompt: str | None = None, **options: Any) -> Any:
    return ResponsesNode(
        "gpt-4.1",
        base_url=base_url,
        api_key="sk-gw",
        server="openai",
        tools=[add],
        instructions=prompt,
        **options,
    )


def prompted(messages: list[BaseMessage], prompt: str | None) -> list[BaseMessage]:
    return [SystemMessage(prompt), *messages] if prompt else messages


def naive(base_url: str = "https://gw.test/v1", prompt: str | None = None, **options: Any) -> Any:
    model = chat(base_url, **options)

    def node(state: ResponsesState) -> Any:
        answer = model.invoke(
            prompted(state["messages"], prompt),
            previous_response_id=state.get("previous_response_id"),
        )
        return {"messages": [answer], "previous_response_id": answer.response_metadata["id"]}

    return node


def chaining(
    base_url: str = "https://gw.test/v1", prompt: str | None = None, **options: Any
) -> Any:
    model = chat(base_url, use_previous_response_id=True, **options)
    return lambda state: {"messages": [model.invoke(prompted(state["messages"], prompt))]}


def graph(*nodes: Any) -> Any:
    """The nodes, one after another."""
    builder = StateGraph(ResponsesState)
    builder.add_sequence([(f"model{index}", node) for index, node in enumerate(nodes)])
    builder.add_edge(START, "model0")
    return builder.compile(checkpointer=InMemorySaver())


def say(app: Any, *texts: str | BaseMessage) -> list[BaseMessage]:
    messages = [HumanMessage(text) if isinstance(text, str) else text for text in texts]
    found: list[BaseMessage] = app.invoke({"messages": messages}, THREAD)["messages"]
    return found


def seen(backend: Backend, *texts: str) -> None:
    assert backend.contexts[-1].texts == list(texts)
