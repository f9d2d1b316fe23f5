"""Ask a person before a tool does what cannot be undone.

Why: `interrupt` inside the tool parks the graph in its checkpoint, for seconds or for days. On resuming, the model
turn is not repeated and not paid again; the node sends the tool's output on top of what the server holds. A refusal
is an output like any other, which the model reads.

Run: python -m responses_adapters run cookbook/langgraph_human_approval.py
     or, against a server: OPENAI_API_KEY=... python cookbook/langgraph_human_approval.py

Prints:
    Cancel the booking of Birch?
    Here is the result. Cancel book (Birch): The booking of Birch is gone.
    Cancel the booking of Cedar?
    Here is the result. Cancel book (Cedar): The booking of Cedar stays: the person in charge said 'ask me on Monday'.
"""

from __future__ import annotations

import os
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command, interrupt

from responses_adapters.langgraph import ResponsesNode

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")


def cancel_booking(room: str) -> str:
    """Cancel the booking of a room.

    Args:
        room: Name of the room.
    """
    decision = interrupt({"question": f"Cancel the booking of {room}?"})
    if decision != "yes":
        return f"The booking of {room} stays: the person in charge said {decision!r}."
    return f"The booking of {room} is gone."


def main() -> None:
    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode(MODEL, tools=[cancel_booking]))
    builder.add_node("tools", ToolNode([cancel_booking]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    graph = builder.compile(checkpointer=InMemorySaver())

    for room, decision in (("Birch", "yes"), ("Cedar", "ask me on Monday")):
        thread: Any = {"configurable": {"thread_id": room}}
        state = graph.invoke(
            {"messages": [HumanMessage(f"Cancel the booking of the {room} room.")]}, thread
        )
        print(state["__interrupt__"][0].value["question"])
        state = graph.invoke(Command(resume=decision), thread)
        print(state["messages"][-1].text)


if __name__ == "__main__":
    main()

# Where next: HumanInTheLoopMiddleware does the same for langgraph_create_agent.py, for every tool you name.
