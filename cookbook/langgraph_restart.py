"""Keep a conversation on disk, and go on with it in another process.

Why: a checkpointer keeps the thread, and with it the stamps by which the node knows what the server holds. So a
process that was restarted sends only what is new, too; and if the server has forgotten in the meantime, it sends
everything.

Run: python -m responses_adapters run cookbook/langgraph_restart.py
     or, against a server: OPENAI_API_KEY=... python cookbook/langgraph_restart.py
     (needs langgraph-checkpoint-sqlite)

Prints:
    Here is the result. Check room (Birch, 2pm): Birch is free at 2pm.
    (4 messages in the thread, 3 sent)
    Here is the result. Check room (Cedar, 3pm): Cedar is free at 3pm.
    (8 messages in the thread, 1 sent)
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.sqlite import SqliteSaver
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


def ask(database: Path, question: str) -> None:
    """What a process does: open the database, build the graph, answer, end."""
    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode(MODEL, tools=[check_room]))
    builder.add_node("tools", ToolNode([check_room]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")

    thread: Any = {"configurable": {"thread_id": "booking-7"}}
    with SqliteSaver.from_conn_string(str(database)) as saver:
        state = builder.compile(checkpointer=saver).invoke(
            {"messages": [HumanMessage(question)]}, thread
        )
    answer = state["messages"][-1]
    turn = answer.response_metadata["responses"]
    print(answer.text)
    print(f"({len(state['messages'])} messages in the thread, {turn['sent']} sent)")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "threads.db"
        ask(database, "Is the Birch room free at 2pm?")
        ask(database, "And is the Cedar room free at 3pm?")  # knows only what the database knows


if __name__ == "__main__":
    main()

# Where next: langgraph_durable_background.py survives a restart while an answer is being made.
