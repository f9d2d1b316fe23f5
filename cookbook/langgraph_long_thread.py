"""Summarise a long thread, and know that the model no longer sees what you removed.

Why: a server that keeps the conversation keeps the messages you removed as well. Chaining on would quietly bring
them back, and you would pay for them. The node notices that its last answer no longer fits the messages in the
state, and sends the shortened thread instead.

Run: python -m responses_adapters run cookbook/langgraph_long_thread.py
     or, against a server: OPENAI_API_KEY=... python cookbook/langgraph_long_thread.py

Prints:
    replay of 1: first turn
    replay of 3: this server has not yet proven that it remembers
    replay of 3: the history was edited
    human: Summary: You said: Sum up in one sentence: We are 8 people.; The projector is a must.
    ai: You said: The projector is a must. (message 2; you began with: We are 8 people.)
    human: Which room fits?
    ai: You said: Which room fits? (message 2; you began with: Summary: You said: Sum up in one sentence: We are 8 people.; The projector is a must.)
"""

from __future__ import annotations

import os
from typing import Any

from langchain_core.messages import HumanMessage, RemoveMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from responses_adapters.langgraph import ChatResponses, ResponsesNode

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")
KEEP = 2  # newest messages that stay as they are; with tools, keep each call with its output
LIMIT = 5


def summarise(state: MessagesState) -> dict[str, Any]:
    """Replace old messages by a summary, once there are too many."""
    if len(state["messages"]) < LIMIT:
        return {}
    old, kept = state["messages"][:-KEEP], state["messages"][-KEEP:]
    lines = "; ".join(str(message.text) for message in old if message.type == "human")
    summary = ChatResponses(MODEL, store=False).invoke(f"Sum up in one sentence: {lines}")
    everything = RemoveMessage(id=REMOVE_ALL_MESSAGES)
    return {"messages": [everything, HumanMessage(f"Summary: {summary.text}"), *kept]}


def main() -> None:
    builder = StateGraph(MessagesState)
    builder.add_node("summarise", summarise)
    builder.add_node("model", ResponsesNode(MODEL))
    builder.add_edge(START, "summarise")
    builder.add_edge("summarise", "model")
    graph = builder.compile(checkpointer=InMemorySaver())

    thread: Any = {"configurable": {"thread_id": "1"}}
    for said in ("We are 8 people.", "The projector is a must.", "Which room fits?"):
        state = graph.invoke({"messages": [HumanMessage(said)]}, thread)
        turn = state["messages"][-1].response_metadata["responses"]
        print(f"{turn['how']} of {turn['sent']}: {turn['why']}")
    for message in state["messages"]:
        print(f"{message.type}: {message.text}")


if __name__ == "__main__":
    main()

# Where next: LangChain's SummarizationMiddleware does this for langgraph_create_agent.py.
