"""Go back in a thread, say something else, and get the answer that belongs there.

Why: after a fork, "the last response id" belongs to the branch that was left. The node compares its stamps with the
messages in the state and continues the newest answer that both branches share, so the model never hears of the
other branch.

Run: python -m responses_adapters run cookbook/langgraph_time_travel.py
     or, against a server: OPENAI_API_KEY=... python cookbook/langgraph_time_travel.py

Prints:
    You told me earlier: We want the Birch room.
    You said: We want the Cedar room. (message 2; you began with: We are 8 people.)
    (delta of 1: the server holds 2 messages)
    You told me earlier: We want the Cedar room.
    (delta of 1: the server holds 4 messages)
"""

from __future__ import annotations

import os
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from responses_adapters.langgraph import ResponsesNode

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")


def main() -> None:
    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode(MODEL))
    builder.add_edge(START, "model")
    graph = builder.compile(checkpointer=InMemorySaver())

    thread: Any = {"configurable": {"thread_id": "1"}}
    for said in ("We are 8 people.", "We want the Birch room.", "Which room do we want?"):
        state = graph.invoke({"messages": [HumanMessage(said)]}, thread)
    print(state["messages"][-1].text)

    # The moment after the first answer: nothing was said about a room yet.
    past = next(
        each for each in graph.get_state_history(thread) if len(each.values["messages"]) == 2
    )
    for said in ("We want the Cedar room.", "Which room do we want?"):
        state = graph.invoke({"messages": [HumanMessage(said)]}, past.config)
        print(state["messages"][-1].text)
        turn = state["messages"][-1].response_metadata["responses"]
        print(f"({turn['how']} of {turn['sent']}: {turn['why']})")
        past = graph.get_state(thread)  # the newest checkpoint of the thread is the new branch


if __name__ == "__main__":
    main()

# Where next: langgraph_restart.py for checkpoints that outlive the process.
