"""Two agents on one thread, each with its own instructions and tools.

Why: both read all messages; neither must continue the other's hidden reasoning or its server-side conversation.
Each node is a chain of its own, so the second agent gets the first one's words as plain messages, and on the next
round each sends what it has not seen yet (everything, until a server at an unknown address has proven that it
remembers; `server="openai"` would say so). `previous_response_id` handed from node to node by hand gets this wrong.

Run: python -m responses_adapters run cookbook/langgraph_two_agents.py
     or, against a server: OPENAI_API_KEY=... python cookbook/langgraph_two_agents.py

Prints:
    front_desk (replay, 1 sent): calls check_room
    front_desk (replay, 3 sent): Here is the result. Check room (Birch): Birch is free.
    kitchen (replay, 4 sent): calls lunch_price
    kitchen (delta, 1 sent): Here is the result. Check room (Birch): Birch is free. Lunch price (6): Lunch for 6 is 84 euros.
    front_desk (replay, 8 sent): calls check_room
    front_desk (delta, 1 sent): Here is the result. Check room (Cedar): Cedar is free.
    kitchen (delta, 4 sent): calls lunch_price
    kitchen (delta, 1 sent): Here is the result. Check room (Cedar): Cedar is free. Lunch price (12): Lunch for 12 is 168 euros.
"""

from __future__ import annotations

import os
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from responses_adapters.langgraph import ResponsesNode

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")


def check_room(room: str) -> str:
    """Check whether a room is free."""
    return f"{room} is free."


def lunch_price(people: int) -> str:
    """Price of lunch for a number of people."""
    return f"Lunch for {people} is {people * 14} euros."


def add_agent(builder: StateGraph[Any], name: str, tool: Any, instructions: str, then: str) -> None:
    tools = f"{name}_tools"
    builder.add_node(name, ResponsesNode(MODEL, tools=[tool], instructions=instructions))
    builder.add_node(tools, ToolNode([tool]))
    builder.add_conditional_edges(name, tools_condition, {"tools": tools, "__end__": then})
    builder.add_edge(tools, name)


def main() -> None:
    builder: StateGraph[Any] = StateGraph(MessagesState)
    add_agent(builder, "front_desk", check_room, "You book rooms.", then="kitchen")
    add_agent(builder, "kitchen", lunch_price, "You plan lunches.", then="__end__")
    builder.add_edge(START, "front_desk")
    graph = builder.compile(checkpointer=InMemorySaver())

    thread: Any = {"configurable": {"thread_id": "1"}}
    graph.invoke(
        {"messages": [HumanMessage("Is the Birch room free? What is the price of lunch for 6?")]},
        thread,
    )
    state = graph.invoke(
        {"messages": [HumanMessage("Is the Cedar room free? And lunch for 12?")]}, thread
    )
    for message in state["messages"]:
        turn = message.response_metadata.get("responses")
        if isinstance(message, AIMessage) and turn:
            agent, _, _ = turn["chain"].partition(":")
            said = message.text or f"calls {message.tool_calls[0]['name']}"
            print(f"{agent} ({turn['how']}, {turn['sent']} sent): {said}")


if __name__ == "__main__":
    main()

# Where next: langgraph_create_agent.py; agents as subgraphs are chains of their own in the same way.
