"""Under a durable engine, on a real PostgreSQL: a worker that dies costs no second job and leaves no secret behind."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from responses_adapters.testing import Backend
from responses_adapters.testing.server import ResponsesServer

WORKER = """
import asyncio, sys

from dbos import DBOS, SetWorkflowID
from pydantic_ai import Agent
from pydantic_ai.durable_exec.dbos import DBOSDurability

from responses_adapters import ServerProfile
from responses_adapters.pydantic_ai import ResponsesModelSettings, ResponsesServers

base_url, database = sys.argv[1:]
house = ServerProfile(name="house", base_url=base_url, api_key_env="HOUSE_KEY", state="server")
agent = Agent(
    "house:m",
    name="rooms",
    capabilities=[ResponsesServers(servers={"house": house}), DBOSDurability()],
    model_settings=ResponsesModelSettings(openai_background=True, responses_poll_interval=0.3),
)

@DBOS.workflow()
async def ask(prompt: str) -> str:
    return (await agent.run(prompt)).output

async def main() -> None:
    with SetWorkflowID("the-one"):
        handle = await DBOS.start_workflow_async(ask, "Is Birch free?")
    print("ANSWER", await handle.get_result())

DBOS(config={"name": "app", "system_database_url": database, "application_version": "1"})
DBOS.launch()
asyncio.run(main())
DBOS.destroy()
"""


def test_a_killed_worker_resumes_without_submitting_the_job_again(
    tmp_path: Path, postgresql: str
) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    backend = Backend("openai")
    backend.background(polls=8)
    backend.reply("Birch is free.")

    with ResponsesServer(backend) as server:

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(
                [sys.executable, str(script), server.base_url, postgresql],
                env={**os.environ, "HOUSE_KEY": "s3cret-key"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )

        first = start()
        while len(backend.requests) < 3 and first.poll() is None:
            time.sleep(0.02)
        first.kill()
        log = first.communicate()[0]
        assert len(backend.requests) >= 3, log
        said = start().communicate(timeout=120)[0]

    assert "ANSWER Birch is free." in said, said
    assert [request.method for request in backend.requests].count("POST") == 1
    stored = _everything_in(postgresql)
    assert b"Birch is free." in stored
    assert b"s3cret" not in stored


def _everything_in(database: str) -> bytes:
    """All rows of the engine, its base64 pickles decoded."""
    with psycopg.connect(database) as connection:
        tables = connection.execute(
            "select format('%I.%I', table_schema, table_name) from information_schema.tables"
            " where table_schema = 'dbos'"
        ).fetchall()
        cells = [
            str(cell)
            for (table,) in tables
            for row in connection.execute(f"select * from {table}").fetchall()
            for cell in row
        ]
    return b"\n".join([cell.encode() for cell in cells] + [_unpacked(cell) for cell in cells])


def _unpacked(cell: str) -> bytes:
    try:
        return base64.b64decode(cell, validate=True)
    except ValueError:
        return b""
