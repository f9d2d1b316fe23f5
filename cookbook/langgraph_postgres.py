"""Submit in one process, get the answer in another: background responses with PostgreSQL between them.

Why: a web process takes the question and is free again at once; a worker, on another machine or after a deployment,
takes the answer home. All they share is the database: the checkpoint says which response the thread waits for, so
nothing is submitted twice, whoever resumes it.

Run: python -m responses_adapters run cookbook/langgraph_postgres.py
     with DATABASE_URL=postgresql://user:password@host/database (needs langgraph-checkpoint-postgres, psycopg[binary])
     or, against a server, step by step: OPENAI_API_KEY=... python cookbook/langgraph_postgres.py submit (then resume)

Prints:
    submit: the thread is parked, queued
    resume: the thread is parked, in_progress
    resume: You said: Write the report on 8 rooms.
    resume: the thread waits for nothing
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command

from responses_adapters.langgraph import Background, ResponsesNode

MODEL = os.environ.get("RESPONSES_MODEL", "gpt-5.2")
DATABASE = os.environ.get("DATABASE_URL", "")
THREAD: Any = {"configurable": {"thread_id": "report-8"}}


@contextmanager
def open_graph() -> Iterator[Any]:
    """The graph of every process, on the one database."""
    builder = StateGraph(MessagesState)
    builder.add_node("model", ResponsesNode(MODEL, background=Background(wait="interrupt")))
    builder.add_edge(START, "model")
    with PostgresSaver.from_conn_string(DATABASE) as saver:
        saver.setup()
        yield builder.compile(checkpointer=saver)


def submit() -> str:
    """What the web process does: ask, and be free again."""
    with open_graph() as graph:
        asked = {"messages": [HumanMessage("Write the report on 8 rooms.")]}
        return told(graph.invoke(asked, THREAD, durability="sync"))


def resume() -> str:
    """What the worker does, when a webhook or a timer starts it; too early or too often does no harm."""
    with open_graph() as graph:
        if not graph.get_state(THREAD).next:
            return "the thread waits for nothing"
        return told(graph.invoke(Command(resume=True), THREAD, durability="sync"))


def told(state: Any) -> str:
    if "__interrupt__" in state:
        return f"the thread is parked, {state['__interrupt__'][0].value['status']}"
    return str(state["messages"][-1].text)


def main() -> None:
    if not DATABASE:
        sys.exit("Set DATABASE_URL to your database, such as postgresql://localhost/threads.")
    if len(sys.argv) > 1:
        print({"submit": submit, "resume": resume}[sys.argv[1]]())
        return
    for step in ("submit", "resume", "resume", "resume"):
        done = subprocess.run(
            [sys.executable, __file__, step], stdout=subprocess.PIPE, text=True, check=True
        )
        print(f"{step}: {done.stdout}", end="")


if __name__ == "__main__":
    main()

# Where next: server_valar_webhook.py is the webhook that resumes, langgraph_durable_background.py the same on SQLite.
