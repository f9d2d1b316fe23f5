"""Book a room on Valar: a stateless server, cheap hours, and answers that are fetched later.

Why: Valar keeps no conversations, refuses `instructions`, `stream` and `previous_response_id`, and sells time. Its
profile says so: instructions travel as a system message, every turn carries the whole thread, `graph.stream` still
works (the answer comes in one piece), and a retried request carries its Idempotency-Key, so that it runs once.

Run: python -m responses_adapters run --server valar cookbook/server_valar.py
     or, against the server: VALAR_API_KEY=... python cookbook/server_valar.py

Prints:
    replay of 2: check_room
    replay of 4: reserve_room
    replay of 6: Here is the result. Check room (Birch, June 8, 2pm): Birch is free on June 8 at 2pm. Reserve room (Birch, June 8, 2pm): Reserved Birch on June 8 at 2pm.
"""

from __future__ import annotations

import os
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from responses_adapters.langgraph import Background, ResponsesNode

MODEL = os.environ.get("RESPONSES_MODEL", "moonshotai/Kimi-K2.6")


def check_room(room: str, date: str, time: str) -> str:
    """Check whether a room is free.

    Args:
        room: Name of the room.
        date: The day, such as "June 8".
        time: When the meeting begins, such as "2pm".
    """
    return f"{room} is free on {date} at {time}."


def reserve_room(room: str, date: str, time: str) -> str:
    """Reserve a room.

    Args:
        room: Name of the room.
        date: The day, such as "June 8".
        time: When the meeting begins, such as "2pm".
    """
    return f"Reserved {room} on {date} at {time}."


def main() -> None:
    node = ResponsesNode(
        MODEL,
        server="valar",
        tools=[check_room, reserve_room],
        instructions="You book rooms. Check before you book.",
        background=Background(poll_interval=0.1),  # seconds; 2 by default
        request_metadata={"completion_window": "flex"},
    )
    builder = StateGraph(MessagesState)
    builder.add_node("model", node)
    builder.add_node("tools", ToolNode([check_room, reserve_room]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    graph = builder.compile(checkpointer=InMemorySaver())

    thread: Any = {"configurable": {"thread_id": "1"}}
    wish = "Is the Birch room free at 2pm on June 8? If so, book it."
    for message in graph.invoke({"messages": [HumanMessage(wish)]}, thread)["messages"]:
        if isinstance(message, AIMessage):
            calls = ", ".join(call["name"] for call in message.tool_calls)
            turn = message.response_metadata["responses"]
            print(f"{turn['how']} of {turn['sent']}: {calls or message.text}")


if __name__ == "__main__":
    main()

# Where next: server_valar_webhook.py, so that nothing has to poll.
