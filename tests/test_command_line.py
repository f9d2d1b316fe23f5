"""The command line: readable lines, clean ends, errors as advice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from openai import BadRequestError, OpenAI

from responses_adapters import __main__ as command_line
from responses_adapters.__main__ import COMMANDS, main

PROGRAM = [sys.executable, "-m", "responses_adapters"]


def serving(*options: str) -> AbstractContextManager[tuple[subprocess.Popen[str], str]]:
    """`serve` on a free port as a process, with its first line."""
    return program([*PROGRAM, "serve", "--port", "0", *options], dict(os.environ))


@contextmanager
def program(
    command: list[str], environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    environment.pop("PYTHONUNBUFFERED", None)
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
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


def test_a_port_that_does_not_exist_is_one_line_of_advice(capsys):
    assert main(["serve", "--port", "99999"]) == 2

    assert capsys.readouterr().err == (
        "responses-adapters serve: there is no port 99999: they go from 0, which takes a free one, to 65535\n"
    )


@pytest.mark.parametrize("place", ["missing/x.yaml", "folder", "file/x.yaml"])
def test_a_recording_that_cannot_be_written_is_one_line_of_advice(tmp_path, capsys, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    output = str(tmp_path / place)
    options = ["--upstream", "http://127.0.0.1:9/v1", "--port", "0", "--output", output]

    assert main(["record", *options]) == 2

    error = capsys.readouterr().err
    assert error.startswith(f"responses-adapters record: cannot write the script {output}: ")
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


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


def run_file(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    unset = {"OPENAI_API_KEY", "OPENAI_BASE_URL"}
    return subprocess.run(
        [*PROGRAM, "run", *options],
        env={name: value for name, value in os.environ.items() if name not in unset},
        capture_output=True,
        text=True,
        cwd=path,
    )


def test_run_serves_a_file_whose_address_is_written_into_it(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "helper.py").write_text("QUESTION = 'Hi'")
    (tmp_path / "book" / "recipe.py").write_text(
        "import sys\n"
        "from openai import OpenAI\n"
        "from helper import QUESTION\n"
        "client = OpenAI(base_url='https://api.valarhq.ai/v1')\n"
        "if __name__ == '__main__':\n"
        "    answer = client.responses.create(model='m', input=QUESTION)\n"
        "    print(answer.status, sys.argv)\n"
    )

    done = run_file(tmp_path, "book/recipe.py", "--loud", "1")

    assert done.stderr == ""
    assert done.stdout == "completed ['book/recipe.py', '--loud', '1']\n"
    assert done.returncode == 0


def test_run_leads_other_processes_to_the_same_fake_by_the_environment(tmp_path):
    (tmp_path / "recipe.py").write_text(
        "import subprocess, sys\n"
        "from openai import OpenAI\n"
        "first = OpenAI().responses.create(model='m', input='Hi')\n"
        "code = 'import sys; from openai import OpenAI;'"
        " 'print(OpenAI().responses.retrieve(sys.argv[1]).id == sys.argv[1])'\n"
        "subprocess.run([sys.executable, '-c', code, first.id], check=True)\n"
    )

    assert run_file(tmp_path, "recipe.py").stdout == "True\n"


def test_run_keeps_the_file_offline_and_says_how_to_let_a_host_pass(tmp_path):
    (tmp_path / "recipe.py").write_text(
        "from openai import DefaultHttpxClient as C; C().get('https://weather.example/now')"
    )

    done = run_file(tmp_path, "recipe.py")

    assert done.returncode == 2
    assert done.stderr == (
        "responses-adapters run: GET https://weather.example/now was blocked: only loopback and the fake"
        " Responses server can be reached here. Replace what makes the request, or let it pass with"
        " --allow-host weather.example.\n"
    )


def test_run_of_a_missing_file_is_one_line_of_advice(tmp_path, capsys):
    assert main(["run", str(tmp_path / "nothing.py")]) == 2
    assert "there is no file" in capsys.readouterr().err


def test_what_was_recorded_is_served_again(tmp_path):
    recorded = tmp_path / "recorded.yaml"
    with serving("--server", "orq") as (_, real):
        command = [*PROGRAM, "record", "--port", "0", "--output", str(recorded)]
        command += ["--server", "orq"]
        settings = {"ORQ_BASE_URL": address(real), "ORQ_API_KEY": "real-key-0123456789"}
        environment = {**os.environ, **settings}
        with program(command, environment) as (process, line):
            assert line.startswith(
                f"Recording {address(real)} into {recorded} at http://127.0.0.1:"
            )
            proxy = re.search(r"OPENAI_BASE_URL=(\S+)", line)
            assert proxy is not None
            with OpenAI(base_url=proxy[1], api_key="fake-key") as client:
                said = client.responses.create(model="m", input="Hi").to_dict()
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0

    with (
        serving("--script", str(recorded)) as (_, line),
        OpenAI(base_url=address(line), api_key="fake-key") as client,
    ):
        assert line.startswith("Fake orq server at ")
        assert client.responses.create(model="m", input="Hi").to_dict() == said


def test_a_script_says_what_is_served_and_what_remains_is_an_error(tmp_path):
    script = tmp_path / "talk.yaml"
    script.write_text(
        "server: orq\nturns:\n- Hello.\n- {call_tool: {name: check_room, room: Birch}}\n"
    )

    with (
        serving("--script", str(script)) as (_, line),
        OpenAI(base_url=address(line), api_key="fake-key", max_retries=0) as client,
    ):
        assert line.startswith("Fake orq server")
        assert client.responses.create(model="m", input="Hi").output_text == "Hello."
        assert client.responses.create(model="m", input="Hi").output[0].type == "function_call"
        with pytest.raises(BadRequestError, match="Nothing is scripted"):
            client.responses.create(model="m", input="Hi")

    (tmp_path / "recipe.py").write_text(
        "from openai import OpenAI; OpenAI().responses.create(model='m', input='Hi')"
    )
    done = run_file(tmp_path, "--script", str(script), "recipe.py")
    assert done.returncode == 1
    assert done.stderr.startswith("Scripted, but never asked for:\n  call_tool('check_room'")


@pytest.mark.parametrize(
    ("code", "status"), [("", 1), ("None", 1), ("0", 1), ("3", 3), ("'failed'", 1)]
)
def test_run_judges_the_script_also_where_the_file_ends_itself_in_success(tmp_path, code, status):
    (tmp_path / "talk.yaml").write_text("turns:\n- Hello.\n")
    (tmp_path / "recipe.py").write_text(f"import sys; sys.exit({code})")

    done = run_file(tmp_path, "--script", "talk.yaml", "recipe.py")

    judged = code in ("", "None", "0")
    assert done.returncode == status
    assert done.stderr.startswith("Scripted, but never asked for:") == judged


def test_recording_without_the_server_s_key_is_one_line_of_advice(monkeypatch, capsys):
    monkeypatch.delenv("VALAR_API_KEY", raising=False)

    assert main(["record", "--server", "valar", "--port", "0"]) == 2

    assert "VALAR_API_KEY" in capsys.readouterr().err
