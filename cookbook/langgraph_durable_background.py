"""Let an answer take an hour: park the graph, survive a restart, pay once.

Why: with `background=` the server works while nobody waits. The job is saved as soon as it is accepted, so a graph
that is resumed in another process finds it and asks for its result. (A crash between the two submits again, under
the same Idempotency-Key.) `wait="interrupt"` parks the graph until a webhook or a timer resumes it; `wait="poll"`,
the default, waits in the node.

Run: python -m responses_adapters run cookbook/langgraph_durable_background.py
     or, against a server: OPENAI_API_KEY=... python cookbook/langgraph_durable_background.py
     (needs langgraph-checkpoint-sqlite)

Prints:
    parked: queued
    parked: in_progress
    answer: You said: Write the report on 8 rooms.
    submitted: 1 job
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command

from responses_adapters.langgraph import Background, ResponsesNode

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")
THREAD: Any = {"configurable": {"thread_id": "report-7"}}


def step(database: Path, value: Any) -> Any:
    """What one process does: open the database, build the graph, go one step on, end.

    On PostgreSQL, and in two processes: langgraph_postgres.py.
    """
    node = ResponsesNode(MODEL, background=Background(wait="interrupt"))
    builder = StateGraph(MessagesState)
    builder.add_node("model", node)
    builder.add_edge(START, "model")
    with SqliteSaver.from_conn_string(str(database)) as saver:
        return builder.compile(checkpointer=saver).invoke(value, THREAD, durability="sync")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "threads.db"
        state = step(database, {"messages": [HumanMessage("Write the report on 8 rooms.")]})
        jobs = set()
        while "__interrupt__" in state:
            parked = state["__interrupt__"][0].value
            jobs.add(parked["response_id"])
            print("parked:", parked["status"])
            time.sleep(0.1)  # here days may pass, until your webhook or timer comes
            state = step(database, Command(resume=True))
        print("answer:", state["messages"][-1].text)
        print("submitted:", len(jobs), "job")


if __name__ == "__main__":
    main()

# Where next: server_valar_webhook.py is called when the answer is ready.
