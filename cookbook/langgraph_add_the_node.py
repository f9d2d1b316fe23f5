"""Add the node to a LangGraph graph that you have: one line.

    -    builder.add_node("model", lambda state: {"messages": [llm.invoke(state["messages"])]})
    +    builder.add_node("model", ResponsesNode(llm))

Why: `llm.invoke(state["messages"])` sends the whole thread on every turn. The node sends what the server does not
hold yet, and everything again when the thread was edited or the server forgot. State, tools and edges stay as they
are.

Run: python -m responses_adapters run cookbook/langgraph_add_the_node.py
     or, against a server: OPENAI_API_KEY=... python cookbook/langgraph_add_the_node.py
     (OPENAI_BASE_URL and RESPONSES_MODEL choose another server and model)

Prints:
    Here is the result. Check room (Birch, 2pm): Birch is free at 2pm.
    Here is the result. Check room (Cedar, 3pm): Cedar is free at 3pm.
    replay: 1 items, because first turn
    replay: 3 items, because this server has not yet proven that it remembers
    delta: 1 items, because the server holds 4 messages
    delta: 1 items, because the server holds 6 messages
"""

from __future__ import annotations

import os
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from responses_adapters.langgraph import ResponsesNode

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")


def check_room(room: str, time: str) -> str:
    """Check whether a room is free.

    Args:
        room: Name of the room.
        time: When the meeting begins, such as "2pm".
    """
    return f"{room} is free at {time}."


def main() -> None:
    llm = ChatOpenAI(model=MODEL).bind_tools([check_room])

    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode(llm))  # the line that changed
    builder.add_node("tools", ToolNode([check_room]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    graph = builder.compile(checkpointer=InMemorySaver())

    thread: Any = {"configurable": {"thread_id": "1"}}
    for question in ("Is the Birch room free at 2pm?", "And is the Cedar room free at 3pm?"):
        state = graph.invoke({"messages": [HumanMessage(question)]}, thread)
        print(state["messages"][-1].text)

    for message in state["messages"]:
        if isinstance(message, AIMessage):
            turn = message.response_metadata["responses"]
            print(f"{turn['how']}: {turn['sent']} items, because {turn['why']}")


if __name__ == "__main__":
    main()

# Where next: langgraph_restart.py keeps the thread on disk; print(explain_turns(graph, thread)) shows every turn.
