"""Stream a graph: words as they are written, tool calls as they are made, and what was recovered.

Why: with `stream_mode="messages"` LangGraph passes on every token of the model, whether the node was called with
`invoke` or not. The node tells of anything unusual (a conversation that the server lost and that was sent again) in
the "custom" stream, before the first word.

Run: python -m responses_adapters run cookbook/langgraph_streaming.py
     or, against a server: OPENAI_API_KEY=... python cookbook/langgraph_streaming.py

Prints:
    -> check_room({'room': 'Birch', 'time': '2pm'})
    <- Birch is free at 2pm.
    Here| is| the| result.| Check| room| (Birch,| 2pm):| Birch| is| free| at| 2pm.|
"""

from __future__ import annotations

import os
from typing import Any

from langchain_core.messages import AIMessageChunk, HumanMessage
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
    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode(MODEL, tools=[check_room]))
    builder.add_node("tools", ToolNode([check_room]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    graph: Any = builder.compile()

    question = {"messages": [HumanMessage("Is the Birch room free at 2pm?")]}
    for mode, part in graph.stream(question, stream_mode=["messages", "updates", "custom"]):
        if mode == "messages":
            chunk, _ = part
            if isinstance(chunk, AIMessageChunk) and chunk.text:
                print(chunk.text, end="|", flush=True)
        elif mode == "custom":
            print(f"[{part}]")
        elif "model" in part:
            for call in part["model"]["messages"][-1].tool_calls:
                print(f"-> {call['name']}({call['args']})")
        elif "tools" in part:
            print(f"<- {part['tools']['messages'][-1].text}")
    print()


if __name__ == "__main__":
    main()

# Where next: the same with `async for ... in graph.astream(...)`; stop early by leaving the loop.
