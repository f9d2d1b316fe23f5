"""Keep a second server ready, in both frameworks; the conversation moves over whole.

Why: a response id means nothing on another server. Answers are stamped with the server that holds them, so the
second one is sent the whole conversation, and the first one, when it is back, only what it missed.

Run: python -m responses_adapters run cookbook/fallback.py
     or, against a server: OPENAI_API_KEY=... python cookbook/fallback.py

Prints:
    LangGraph: You said: We are 8 people.
    LangGraph: You told me earlier: We are 8 people.
    PydanticAI: You said: We are 8 people.
    PydanticAI: You told me earlier: We are 8 people.
"""

from __future__ import annotations

import os
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from pydantic_ai import Agent
from pydantic_ai.models.fallback import FallbackModel

from responses_adapters.langgraph import ResponsesNode
from responses_adapters.pydantic_ai import ResponsesModel

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")
DOWN = "http://127.0.0.1:9/v1"  # the first choice; nobody listens there
SAID = ("We are 8 people.", "How many people are we?")


def with_langgraph() -> None:
    first = ResponsesNode(MODEL, base_url=DOWN, max_retries=0)
    second = ResponsesNode(MODEL)
    builder = StateGraph(MessagesState)
    builder.add_node("model", first.with_fallbacks([second]))
    builder.add_edge(START, "model")
    graph = builder.compile(checkpointer=InMemorySaver())

    thread: Any = {"configurable": {"thread_id": "1"}}
    for said in SAID:
        state = graph.invoke({"messages": [HumanMessage(said)]}, thread)
        print("LangGraph:", state["messages"][-1].text)


def with_pydantic_ai() -> None:
    first = ResponsesModel(MODEL, base_url=DOWN)
    second = ResponsesModel(MODEL)
    agent = Agent(FallbackModel(first, second))

    history = None
    for said in SAID:
        result = agent.run_sync(said, message_history=history)
        history = result.all_messages()
        print("PydanticAI:", result.output)


def main() -> None:
    with_langgraph()
    with_pydantic_ai()


if __name__ == "__main__":
    main()

# Where next: RetryPolicy(retry_on=responses_retry_on) on the node retries what can be retried without paying twice.
