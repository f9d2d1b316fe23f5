"""Getting started with LangGraph on a server of your own, such as Aleph Alpha's.

Why: the first hour with a new server: is it up, does it answer, whose instructions hold on the second turn, how do
I send more than a string, how do I go on with a conversation that another program began.

Run: python -m responses_adapters run --server aleph-alpha cookbook/langgraph_getting_started.py
     or, with ALEPH_ALPHA_BASE_URL and ALEPH_ALPHA_API_KEY set: python cookbook/langgraph_getting_started.py

Prints:
    health: healthy
    first request: You said: We are 8 people. [replay]
    conversation: You said: We are 8 people. [replay]
    conversation: You told me earlier: We are 8 people. [delta]
    structured input: You told me earlier: We are 8 people. [replay]
    continued by id: You told me earlier: How many people are we? [replay]
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import urljoin
from urllib.request import urlopen

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from responses_adapters.langgraph import ChatResponses, ResponsesNode, last_response_id

MODEL = os.environ.get("RESPONSES_MODEL", "qwen3-32b-tool")
SERVER = "aleph-alpha"


def show(step: str, message: Any) -> None:
    print(f"{step}: {message.text} [{message.response_metadata['responses']['how']}]")


def main() -> None:
    # Health check: at the root of the host, without a key.
    with urlopen(urljoin(os.environ["ALEPH_ALPHA_BASE_URL"], "/health"), timeout=10) as reply:
        print("health:", json.load(reply)["status"])

    # First request.
    model = ChatResponses(MODEL, server=SERVER)
    show("first request", model.invoke("We are 8 people."))

    # Instructions hold for the whole conversation; this server inherits them, so they are sent once.
    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode(model, instructions="You book rooms."))
    builder.add_edge(START, "model")
    graph = builder.compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    for said in ("We are 8 people.", "How many people are we?"):
        state = graph.invoke({"messages": [HumanMessage(said)]}, thread)
        show("conversation", state["messages"][-1])

    # Structured input: messages with roles, and content in parts.
    parts: Any = [{"type": "text", "text": "How many people"}, {"type": "text", "text": "are we?"}]
    spoken = [HumanMessage("We are 8 people."), AIMessage("Noted."), HumanMessage(parts)]
    show("structured input", model.invoke(spoken))

    # Another program, which knows nothing but the id of the last response.
    seed = last_response_id(state["messages"])
    plain = StateGraph(MessagesState)
    plain.add_node("model", ResponsesNode(MODEL, server=SERVER))
    plain.add_edge(START, "model")
    elsewhere: Any = {"configurable": {"previous_response_id": seed}}
    state = plain.compile().invoke(
        {"messages": [HumanMessage("How many people, again?")]}, elsewhere
    )
    show("continued by id", state["messages"][-1])


if __name__ == "__main__":
    main()

# Where next: langgraph_add_the_node.py with tools; change SERVER, or leave it out and give base_url=.
