"""The command line: readable lines, clean ends, errors as advice."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from openai import OpenAI

from responses_adapters import __main__ as command_line
from responses_adapters.__main__ import COMMANDS, main

PROGRAM = [sys.executable, "-m", "responses_adapters"]


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`serve` on a free port as a process, with its first line."""
    command = [*PROGRAM, "serve", "--port", "0", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()


def address(line: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+/v1", line)
    assert found is not None, line
    return found.group()


def test_serve_prints_the_address_and_the_variables_and_ends_cleanly_on_sigterm():
    with serving("--server", "valar") as (process, line):
        url = address(line)
        assert line.startswith(f"Fake valar server at {url}  export ")
        assert f"OPENAI_BASE_URL={url}" in line
        assert "VALAR_API_KEY=fake-key" in line
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)

    assert (process.returncode, out, err) == (0, "", "")


def test_serve_answers_by_rules_and_remembers():
    with serving() as (_, line), OpenAI(base_url=address(line), api_key="fake-key") as client:
        first = client.responses.create(model="m", input="My name is Ada.")
        second = client.responses.create(
            model="m", input="Who am I?", previous_response_id=first.id
        )

    assert first.output_text
    assert second.previous_response_id == first.id


def test_serve_without_the_brain_refuses_what_is_not_scripted():
    with serving("--no-brain") as (_, line):
        client = OpenAI(base_url=address(line), api_key="fake-key", max_retries=0)
        with pytest.raises(Exception, match="script"), client:
            client.responses.create(model="m", input="Hi")


def test_an_unknown_server_is_one_line_of_advice(capsys):
    assert main(["serve", "--server", "vallar"]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(
        "responses-adapters serve: server='vallar' is not a known server."
    )
    assert captured.err.count("\n") == 1


def test_a_port_that_is_taken_is_one_line_of_advice(capsys):
    with serving() as (_, line):
        port = address(line).split(":")[2].removesuffix("/v1")
        assert main(["serve", "--port", port]) == 2

    assert "port 0 takes a free one" in capsys.readouterr().err


def test_without_a_command_the_commands_are_listed(capsys):
    with pytest.raises(SystemExit) as caught:
        main([])

    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "<command>" in error


def test_the_overview_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])

    overview = capsys.readouterr().out
    assert all(f"{command.name} " in overview for command in COMMANDS)


def test_an_argument_too_many_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--prot", "8000"])

    assert caught.value.code == 2
    assert "serve: unknown arguments: --prot 8000" in capsys.readouterr().err


def test_what_follows_a_forwarding_command_goes_on_unread(monkeypatch):
    seen = []
    forwarding = command_line.Command(
        name="pass", help="-", run=lambda known: seen.append(known.rest) or 0, forwards=True
    )
    monkeypatch.setattr(command_line, "COMMANDS", (forwarding,))

    assert main(["pass", "--help", "-x", "y"]) == 0
    assert seen == [["--help", "-x", "y"]]
