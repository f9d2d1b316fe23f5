"""LangGraph threads on PostgreSQL, several worker processes, and `kill -9` at any moment.

Run: python tests/campaigns/threads.py postgresql://... --json build/threads.json

Workers take turns from a table. Whoever takes one holds its row until the turn is answered; the row of a killed
worker is free at once, and the next one goes on with the thread where its checkpoint stands.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any

import psycopg
from killing import WORKER_HEADER, Gunman, Plan, measure_window, run, run_to_the_end, summary
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from witness import book, flaws, graph_texts, question, witness

from responses_adapters import ServerProfile
from responses_adapters.langgraph import Background, ResponsesNode
from responses_adapters.testing import Backend, ResponsesServer

TAKE = """
    SELECT thread, answered FROM turns WHERE answered < %s
    ORDER BY answered, thread LIMIT 1 FOR UPDATE SKIP LOCKED
"""
HEAVY = ["langgraph.checkpoint.postgres", "langgraph.prebuilt", "responses_adapters.langgraph"]
"""Modules loaded once for all workers: a killed one is replaced in no time."""

ADD = "INSERT INTO turns SELECT generate_series(%s::int, %s::int)"
HOLDS = "SELECT count(*) FROM checkpoint_writes WHERE position(%s::bytea in blob) > 0"


@contextmanager
def open_graph(base_url: str, database: str, *, keys: bool) -> Iterator[Any]:
    house = ServerProfile(
        name="house", state="server", echoes_previous_id=True, honours_idempotency_key=keys
    )
    node = ResponsesNode(
        "m",
        server=house,
        base_url=base_url,
        api_key="sk-house",
        default_headers={WORKER_HEADER: str(os.getpid())},
        tools=[book],
        background=Background(poll_interval=0.02, poll_timeout=60),
    )
    builder = StateGraph(MessagesState)
    builder.add_node("model", node)
    builder.add_node("tools", ToolNode([book]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    with PostgresSaver.from_conn_string(database) as saver:
        yield builder.compile(checkpointer=saver)


def thread_config(thread: int) -> Any:
    return {"configurable": {"thread_id": f"thread-{thread}"}}


def take_turn(graph: Any, thread: int, turn: int) -> None:
    """Answer a turn, or go on with what another process began; the message's id tells whether it did."""
    config = thread_config(thread)
    asked = HumanMessage(question(thread, turn), id=f"{thread}-{turn}")
    state = graph.get_state(config)
    is_in = any(message.id == asked.id for message in state.values.get("messages", ()))
    if is_in and not state.next:
        return
    graph.invoke(None if is_in else {"messages": [asked]}, config, durability="sync")


def work(base_url: str, database: str, turns: int, keys: bool) -> None:
    """What a worker process does."""
    with psycopg.connect(database) as queue, open_graph(base_url, database, keys=keys) as graph:
        while True:
            taken = queue.execute(TAKE, [turns]).fetchone()
            if taken is None:
                queue.rollback()
                time.sleep(0.05)
                continue
            thread, turn = taken
            take_turn(graph, thread, turn)
            queue.execute("UPDATE turns SET answered = answered + 1 WHERE thread = %s", [thread])
            queue.commit()


def campaign(database: str, plan: Plan) -> dict[str, Any]:
    """Run the threads to their end, and count."""
    backend = Backend("openai", brain=witness).background(polls=2).configure(idempotency=plan.keys)
    gunman = Gunman(backend)
    processes = get_context("forkserver")
    processes.set_forkserver_preload(HEAVY)
    with (
        ResponsesServer(gunman) as server,
        psycopg.connect(database, autocommit=True) as connection,
    ):
        with PostgresSaver.from_conn_string(database) as saver:
            saver.setup()
        connection.execute("CREATE TABLE turns (thread int PRIMARY KEY, answered int DEFAULT 0)")

        def start(_: int) -> BaseProcess:
            arguments = (server.base_url, database, plan.turns, plan.keys)
            process = processes.Process(target=work, args=arguments, daemon=True)
            process.start()
            return process

        def done() -> bool:
            left = "SELECT count(*) FROM turns WHERE answered < %s"
            return connection.execute(left, [plan.turns]).fetchone() == (0,)

        def is_saved(response_id: str) -> bool:
            return connection.execute(HOLDS, [response_id.encode()]).fetchone() != (0,)

        connection.execute(ADD, [-plan.probes, -1])
        window = measure_window(gunman, start(0), done, is_saved)
        connection.execute(ADD, [0, plan.threads - 1])
        told = run_to_the_end(plan, gunman, start, done)
        found: list[str] = []
        answered: set[str] = set()
        with open_graph(server.base_url, database, keys=plan.keys) as graph:
            for thread in range(plan.threads):
                messages = graph.get_state(thread_config(thread)).values.get("messages", [])
                found += flaws(thread, plan.turns, graph_texts(messages))
                answered |= {each.response_metadata["id"] for each in messages if each.type == "ai"}
        again = gunman.accepted.keys() - answered
        known = [response_id for response_id in again if is_saved(response_id)]
    return summary(plan, told, jobs=answered, flaws=found, again=again, known=known, window=window)


if __name__ == "__main__":
    run("LangGraph on PostgreSQL", campaign, threads=200, turns=5, workers=4, kills=60, probes=8)
