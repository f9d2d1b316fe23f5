"""The demo runs as its user runs it: a process, a server process, and something to read."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from responses_adapters.testing.server import Tenant

SETTINGS = {"OPENAI_BASE_URL", "OPENAI_API_KEY", "RESPONSES_MODEL", "RESPONSES_SERVER"}


def run_demo(**settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return subprocess.run(
        [sys.executable, "-m", "responses_adapters", "demo"],
        env={**environment, "COLUMNS": "120", **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_demo_books_both_rooms_in_both_frameworks_and_chains_every_later_request() -> None:
    done = run_demo()
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    langgraph, pydantic_ai = done.stdout.split("PydanticAI")
    for part in (langgraph, pydantic_ai):
        assert re.findall(r"(?m)^(replay|delta) ", part) == ["replay", *["delta"] * 5]
        assert "Reserved: Birch room, June 8 at 2pm." in " ".join(part.split())
        assert "Reserved: Cedar room, June 8 at 3pm." in " ".join(part.split())
    saved = re.search(r"([\d,]+) bytes less", done.stdout)
    assert saved is not None
    assert int(saved[1].replace(",", "")) > 5_000


@pytest.mark.responses_backend(brain=True)
def test_the_demo_runs_against_the_server_of_the_environment(responses_server: Tenant) -> None:
    done = run_demo(**responses_server.env, RESPONSES_MODEL="my-model")
    assert done.returncode == 0, done.stdout
    assert responses_server.base_url in done.stdout
    assert "my-model" in done.stdout


def test_a_server_that_is_not_there_is_one_line_of_advice() -> None:
    done = run_demo(OPENAI_BASE_URL="http://127.0.0.1:9/v1", OPENAI_API_KEY="k")
    assert done.returncode == 1
    assert done.stderr == ""
    assert "cannot reach http://127.0.0.1:9/v1/responses" in done.stdout


def test_an_argument_is_answered_with_what_to_do_instead() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "responses_adapters", "demo", "--fast"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "OPENAI_BASE_URL" in done.stderr
