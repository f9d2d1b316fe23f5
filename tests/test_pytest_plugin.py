"""The pytest plugin: no wiring, loud about what a script left over, invisible to everybody else."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

import pytest
from openai import AsyncOpenAI, DefaultHttpxClient, OpenAI

from responses_adapters.testing.transport import sdk_library

pytest_plugins = ["pytester"]

BEFORE = OpenAI(base_url="https://gateway.example/v1", api_key="k", max_retries=0)


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Run a test module in a pytest of its own and give its outcomes."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def run(source: str, **files: str) -> pytest.RunResult:
        pytester.makepyfile(test_it=source, **files)
        return pytester.runpytest_inprocess("-p", "no:langsmith_plugin", "-p", "no:asyncio", "-q")

    return run


def test_a_client_built_before_the_test_meets_the_fake(responses_backend):
    responses_backend.reply("Hello.")

    assert BEFORE.responses.create(model="m", input="Hi").output_text == "Hello."
    assert responses_backend.requests[-1].headers["host"] == "gateway.example"


async def test_a_client_built_inside_the_test_needs_no_key(responses_backend):
    responses_backend.reply("Hello.")

    async with AsyncOpenAI() as client:
        answer = await client.responses.create(model="m", input="Hi")

    assert answer.output_text == "Hello."


def test_the_sync_client_fixture_is_wired(responses_client, responses_backend):
    responses_backend.reply("Hello.")

    assert responses_client.responses.create(model="m", input="Hi").output_text == "Hello."


async def test_the_async_client_fixture_streams(async_responses_client, responses_backend):
    responses_backend.reply("Hello there.")

    stream = await async_responses_client.responses.create(model="m", input="Hi", stream=True)
    types = [event.type async for event in stream]

    assert types[0] == "response.created"
    assert types[-1] == "response.completed"


def test_the_transport_fixture_serves_plain_http_clients(responses_transport, responses_backend):
    responses_backend.reply("Hello.")

    with DefaultHttpxClient(transport=responses_transport) as client:
        body = {"model": "m", "input": "Hi"}
        answer = client.post("http://x/responses", json=body)

    assert answer.json()["status"] == "completed"


def test_the_server_fixture_reaches_another_process(responses_server, responses_backend):
    responses_backend.reply("Hello.")
    program = "from openai import OpenAI; print(OpenAI().responses.create(model='m', input='Hi').output_text)"

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **responses_server.env},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "Hello.\n"


@pytest.mark.responses_backend("valar", brain=True)
def test_the_mark_chooses_server_and_options(responses_backend):
    assert responses_backend.behaviour.name == "valar"
    assert BEFORE.responses.create(model="m", input="Hi").output_text


@pytest.mark.responses_backend(patch=False)
def test_without_patching_only_the_wired_client_meets_the_fake(responses_client, responses_backend):
    responses_backend.reply("Hello.")

    assert "__wrapped__" not in vars(import_module(sdk_library()).HTTPTransport.handle_request)
    assert responses_client.responses.create(model="m", input="Hi").output_text == "Hello."


def test_marks_on_class_and_test_add_up(run):
    result = run(
        """
        import pytest

        @pytest.mark.responses_backend("valar", brain=True)
        class TestBoth:
            @pytest.mark.responses_backend(server="orq")
            def test_it(self, responses_backend, responses_client):
                assert responses_backend.behaviour.name == "orq"
                assert responses_client.responses.create(model="m", input="Hi").output_text
        """
    )
    result.assert_outcomes(passed=1)


def test_a_step_left_over_fails_a_test_that_passed(run):
    result = run(
        """
        def test_it(responses_backend):
            responses_backend.reply("never asked for")
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*never asked for*"])


def test_a_request_that_nothing_was_scripted_for_fails_even_if_the_program_swallows_the_error(run):
    result = run(
        """
        import contextlib
        import openai

        def test_it(responses_client):
            with contextlib.suppress(openai.OpenAIError):
                responses_client.responses.create(model="m", input="Hi")
        """
    )
    result.assert_outcomes(failed=1)


def test_a_test_that_failed_is_not_judged_twice(run):
    result = run(
        """
        def test_it(responses_backend):
            responses_backend.reply("never asked for")
            raise ValueError("the real reason")
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_it - ValueError: the real reason"])
    result.stdout.no_fnmatch_line("*AssertionError*")


def test_a_request_that_was_blocked_fails_even_if_the_program_swallows_the_error(run):
    result = run(
        """
        import contextlib
        from openai import DefaultHttpxClient

        def test_it(responses_backend):
            with contextlib.suppress(Exception):
                DefaultHttpxClient().get("https://weather.example/now")
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*GET https://weather.example/now*"])


def test_a_module_may_create_its_client_at_import_time_without_a_key(run):
    result = run(
        """
        import os
        from app import client

        def test_it(responses_backend):
            responses_backend.reply("Hello.")
            assert client.responses.create(model="m", input="Hi").output_text == "Hello."

        def test_afterwards_there_is_no_key():
            assert "OPENAI_API_KEY" not in os.environ
        """,
        app="from openai import OpenAI\nclient = OpenAI()",
    )
    result.assert_outcomes(passed=2)


def test_a_conftest_that_uses_the_fake_covers_its_modules(run):
    result = run(
        """
        from openai import OpenAI
        client = OpenAI()

        def test_it(fake):
            fake.reply("Hello.")
            assert client.responses.create(model="m", input="Hi").output_text == "Hello."
        """,
        conftest="""
        import pytest

        @pytest.fixture
        def fake(responses_backend):
            return responses_backend
        """,
    )
    result.assert_outcomes(passed=1)


def test_a_module_that_does_not_use_the_fake_sees_no_key(run):
    result = run(
        """
        import os
        import responses_adapters
        KEY = os.environ.get("OPENAI_API_KEY")

        def test_it():
            assert KEY is None
        """
    )
    result.assert_outcomes(passed=1)


def test_a_script_beside_the_test_says_what_is_answered(run, pytester):
    (pytester.path / "talk.yaml").write_text("turns: [Hello., Never asked for.]")
    result = run(
        """
        import pytest

        @pytest.mark.responses_backend(script="talk.yaml")
        def test_it(responses_client, responses_backend):
            answer = responses_client.responses.create(model="m", input="Hi")
            assert answer.output_text == "Hello."
            assert responses_backend.contexts[-1].texts == ["Hi"]
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Never asked for.*"])


def test_unittest_cases_can_use_the_fixture(run):
    result = run(
        """
        import unittest
        import pytest
        from openai import OpenAI

        class Case(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def fake(self, responses_backend):
                self.fake = responses_backend

            def test_it(self):
                self.fake.reply("Hello.")
                answer = OpenAI().responses.create(model="m", input="Hi")
                self.assertEqual(answer.output_text, "Hello.")
        """
    )
    result.assert_outcomes(passed=1)


def test_loading_the_plugin_loads_nothing_heavy():
    program = """
import sys
import pytest
before = set(sys.modules)
import responses_adapters.pytest_plugin
heavy = {"openai", "httpx", "httpx2", "uvicorn", "asyncio", "http.server", "yaml", "rich"}
loaded = set(sys.modules) - before
print(*sorted(loaded & heavy))
print(*sorted(name for name in loaded if name.startswith("responses_adapters")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    modules = ["", ".pytest_plugin"]
    ours = " ".join(f"responses_adapters{module}" for module in modules)
    assert done.stdout == f"\n{ours}\n"
