"""PydanticAI agents in DBOS workflows on PostgreSQL, several worker processes, and `kill -9` at any moment.

Run: python tests/campaigns/workflows.py postgresql://... --json build/workflows.json

A thread is one workflow on a queue that all workers serve. DBOS starts those of a killed worker again, step by step
from what it has recorded, as soon as a worker with the same executor id is back.
"""

from __future__ import annotations

import base64
import os
import threading
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any

import psycopg
from dbos import DBOS, DBOSClient, WorkflowHandle, run_dbos_database_migrations
from killing import WORKER_HEADER, Gunman, Plan, measure_window, run, run_to_the_end, summary
from pydantic_ai import Agent
from pydantic_ai.durable_exec.dbos import DBOSDurability
from witness import book, flaws, history_texts, question, witness

from responses_adapters import ServerProfile
from responses_adapters.pydantic_ai import ResponsesModelSettings, ResponsesServers
from responses_adapters.testing import Backend, ResponsesServer

QUEUE = "threads"
LEFT = "SELECT count(*) FROM dbos.workflow_status WHERE status IN ('PENDING', 'ENQUEUED')"
HEAVY = ["dbos", "pydantic_ai.durable_exec.dbos", "responses_adapters.pydantic_ai"]
"""Modules loaded once for all workers: a killed one is replaced in no time."""


def work(slot: int, base_url: str, database: str, turns: int, keys: bool) -> None:
    """What a worker process does, until it is killed."""
    house = ServerProfile(
        name="house",
        base_url=base_url,
        needs_key=False,
        state="replay" if keys else "server",
        echoes_previous_id=True,
        honours_idempotency_key=keys,
    )
    agent = Agent(
        "house:m",
        name="desk",
        tools=[book],
        capabilities=[ResponsesServers(servers={"house": house}), DBOSDurability()],
        model_settings=ResponsesModelSettings(
            openai_background=True,
            responses_poll_interval=0.02,
            extra_headers={WORKER_HEADER: str(os.getpid())},
        ),
    )

    @DBOS.workflow(name="converse", max_recovery_attempts=1000)
    async def converse(thread: int) -> tuple[list[str], list[str]]:
        history: list[Any] = []
        for turn in range(turns):
            history = (
                await agent.run(question(thread, turn), message_history=history)
            ).all_messages()
        ids = [each.provider_response_id for each in history if each.kind == "response"]
        return history_texts(history), ids

    DBOS(
        config={
            "name": "app",
            "system_database_url": database,
            "application_version": "1",
            "executor_id": f"worker-{slot}",
            "console_log_level": "CRITICAL",
        }
    )
    DBOS.launch()
    threading.Event().wait()


def campaign(database: str, plan: Plan) -> dict[str, Any]:
    """Run the workflows to their end, and count."""
    backend = Backend("openai", brain=witness).background(polls=2).configure(idempotency=plan.keys)
    gunman = Gunman(backend)
    processes = get_context("forkserver")
    processes.set_forkserver_preload(HEAVY)
    run_dbos_database_migrations(database)
    client = DBOSClient(system_database_url=database, application_name="app")
    client.register_queue(QUEUE, worker_concurrency=4, polling_interval_sec=0.1)
    with (
        ResponsesServer(gunman) as server,
        psycopg.connect(database, autocommit=True) as connection,
    ):

        def start(slot: int) -> BaseProcess:
            arguments = (slot, server.base_url, database, plan.turns, plan.keys)
            process = processes.Process(target=work, args=arguments, daemon=True)
            process.start()
            return process

        def enqueue(thread: int) -> WorkflowHandle[Any]:
            return client.enqueue(
                {
                    "workflow_name": "converse",
                    "queue_name": QUEUE,
                    "workflow_id": f"thread-{thread}",
                    "app_version": "1",
                },
                thread,
            )

        def done() -> bool:
            return connection.execute(LEFT).fetchone() == (0,)

        def is_saved(response_id: str) -> bool:
            cells = connection.execute("SELECT output FROM dbos.operation_outputs").fetchall()
            return any(response_id.encode() in _unpacked(cell or "") for (cell,) in cells)

        for thread in range(-plan.probes, 0):
            enqueue(thread)
        window = measure_window(gunman, start(0), done, is_saved)
        handles = [enqueue(thread) for thread in range(plan.threads)]
        told = run_to_the_end(plan, gunman, start, done)
        found: list[str] = []
        answered: set[str] = set()
        for thread, handle in enumerate(handles):
            texts, ids = handle.get_result() if told["in time"] else ([], [])
            found += flaws(thread, plan.turns, texts)
            answered.update(ids)
        again = gunman.accepted.keys() - answered
        known = [response_id for response_id in again if is_saved(response_id)]
    client.destroy()
    return summary(plan, told, jobs=answered, flaws=found, again=again, known=known, window=window)


def _unpacked(cell: str) -> bytes:
    try:
        return base64.b64decode(cell, validate=True)
    except ValueError:
        return cell.encode()


if __name__ == "__main__":
    run("PydanticAI on DBOS", campaign, threads=50, turns=5, workers=4, kills=40, probes=4)
