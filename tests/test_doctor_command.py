"""`doctor` on the command line: a verdict whatever is at the address, a report, a profile to keep."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from responses_adapters.__main__ import main
from responses_adapters.doctor import UnusableServerError, diagnose, run
from responses_adapters.endpoints import Endpoint
from responses_adapters.errors import ConfigurationError
from responses_adapters.profiles import SERVERS, ServerProfile, load_profile
from responses_adapters.testing import Backend, Frame, Reply, Request
from responses_adapters.testing.server import ResponsesServer
from responses_adapters.testing.transport import Handler, make_transport

ADDRESS = "https://gateway.example/v1"
KEY = "sk-secret-0123456789"


def arguments(**given: Any) -> Namespace:
    usual = {"url": ADDRESS, "key": KEY, "model": None, "json": False, "save": None}
    return Namespace(**{**usual, "requests": 25, "timeout": 5.0, **given})


def client(backend: Handler) -> Any:
    return openai.DefaultHttpxClient(transport=make_transport(backend))


def doctor(backend: Handler, **given: Any) -> int:
    return run(arguments(**given), http_client=client(backend))


class Site:
    """A server with the given pages; anything else is a 404 of the router."""

    def __init__(self, pages: dict[str, Reply], otherwise: Reply | None = None) -> None:
        self.pages = pages
        self.otherwise = otherwise or Reply.json(404, {"detail": "Not Found"})
        self.paths: list[str] = []

    def handle(self, request: Request) -> Reply:
        self.paths.append(f"{request.method} {request.path}")
        return self.pages.get(f"{request.method} {request.path}", self.otherwise)


PAGE = Reply(200, {"content-type": "text/html"}, b"<!doctype html><html>Welcome</html>")
MODELS = Reply.json(200, {"object": "list", "data": [{"id": "text-embed"}, {"id": "chatty"}]})


def sentence(caught: pytest.ExceptionInfo[UnusableServerError]) -> str:
    verdict = str(caught.value)
    assert "\n" not in verdict
    assert KEY not in verdict
    return verdict


def test_a_server_with_chat_completions_only_is_recognised() -> None:
    site = Site({"GET /v1/models": MODELS, "POST /v1/chat/completions": Reply.json(400, {})})

    with pytest.raises(UnusableServerError) as caught:
        doctor(site)

    assert sentence(caught).startswith(
        "this server speaks Chat Completions only (404 at /responses"
    )
    assert len(site.paths) == 3


def test_a_wrong_path_is_met_with_the_likely_address() -> None:
    with pytest.raises(UnusableServerError) as caught:
        doctor(Site({}), url="https://gateway.example/v1/responses")

    assert 'did you mean base_url="https://gateway.example/v1"?' in sentence(caught)


@pytest.mark.parametrize("status", [200, 404])
def test_a_web_page_is_no_api(status: int) -> None:
    page = Reply(status, PAGE.headers, PAGE.body)

    with pytest.raises(UnusableServerError) as caught:
        doctor(Site({}, otherwise=page), url="https://gateway.example")

    said = sentence(caught)
    assert (
        "a web page" in said if status == 200 else 'base_url="https://gateway.example/v1"' in said
    )


def test_json_that_is_no_response_is_no_api() -> None:
    with pytest.raises(UnusableServerError, match="something else in place of a response object"):
        doctor(Site({}, otherwise=Reply.json(200, {"hello": "world"})))


def test_a_key_that_is_refused_is_the_verdict() -> None:
    backend = Backend("openai", brain=True)
    backend.require_key("another-key")

    with pytest.raises(UnusableServerError) as caught:
        doctor(backend)

    assert "401" in sentence(caught)
    assert "the key was refused" in sentence(caught)


def test_a_model_that_is_not_there_is_the_verdict() -> None:
    backend = Backend("openai", brain=True)
    backend.only_models("a", "b")

    with pytest.raises(UnusableServerError, match="the model 'c' does not exist there"):
        doctor(backend, model="c")


def test_without_a_list_of_models_one_has_to_be_named() -> None:
    backend = Backend("orq", brain=True)
    backend.only_models("a")

    with pytest.raises(UnusableServerError, match="name another one with --model"):
        doctor(backend)


def test_the_first_model_that_may_be_able_to_talk_is_taken() -> None:
    backend = Backend("openai", brain=True)
    backend.only_models("text-embedding-3", "whisper-1", "gpt-5")

    doctor(backend)

    assert {create.json["model"] for create in backend.creates if create.body != b"{}"} == {"gpt-5"}


def test_a_server_that_redirects_is_not_followed() -> None:
    elsewhere = Reply(307, {"location": "https://elsewhere.example/v1/responses"}, b"")

    with pytest.raises(UnusableServerError, match="redirects elsewhere, which is not followed"):
        doctor(Site({}, otherwise=elsewhere))


def test_a_model_that_fails_is_the_verdict() -> None:
    backend = Backend("openai")
    backend.fail_turn("server_error", "Out of order.")

    with pytest.raises(UnusableServerError, match=r"gave no answer .*Out of order"):
        doctor(backend, model="m")


def test_nobody_at_the_address_is_a_verdict_and_status_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"

        assert main(["doctor", url]) == 2

    *_, verdict = capsys.readouterr().err.splitlines()
    assert verdict.startswith(f"responses-adapters doctor: cannot reach {url}/models")


def test_user_name_and_password_in_the_address_are_not_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://ada:s3cr%40t@127.0.0.1:{unused.getsockname()[1]}/v1"

        assert main(["doctor", url]) == 2

    said = capsys.readouterr().err
    assert "cannot reach http://127.0.0.1:" in said
    assert "ada" not in said.replace("responses-adapters", "")
    assert "s3cr" not in said


@contextlib.contextmanager
def listening(answer: bytes = b"") -> Iterator[str]:
    """A socket that takes connections and then dawdles, a byte at a time."""
    over = threading.Event()

    def dawdle(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(answer)
            while not over.wait(0.05):
                try:
                    connection.sendall(b" " if answer else b"")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=dawdle, args=[server])
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        over.set()
        thread.join()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n"])
def test_a_server_that_hangs_or_dawdles_gets_its_verdict_in_time(
    answer: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with listening(answer) as url:
        assert main(["doctor", url, "--timeout", "0.3"]) == 2

    *_, verdict = capsys.readouterr().err.splitlines()
    assert f"{url}/models gave no whole answer within 0.3 s" in verdict


def test_an_answer_without_end_is_cut_off() -> None:
    endless = Reply(200, {"content-type": "text/html"}, (Frame(b"x" * 2**20) for _ in range(100)))

    with pytest.raises(UnusableServerError, match="no whole answer within 16777216 bytes"):
        doctor(Site({}, otherwise=endless))


def test_a_server_that_falls_silent_is_given_up_on() -> None:
    backend = Backend("openai", brain=True)

    class Tiring:
        behaviour = backend.behaviour

        def handle(self, request: Request) -> Reply:
            if len(backend.requests) >= 3:
                return Reply(0, {}, b"", "stall")
            return backend.handle(request)

    endpoint = Endpoint(profile=ServerProfile(name="x"), base_url=ADDRESS, api_key=KEY)
    found = diagnose(endpoint, http_client=client(Tiring()))

    assert found.requests == 5
    assert found.verdicts[-2].evidence.startswith("given up after 2 requests in a row")


WORDS = [
    "id", "status", "output", "error", "detail", "usage", "data", "type", "content", "text", "code", "message",
    "input_tokens", "output_tokens", "completed", "queued", "function_call",
]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5)
    ),
    max_leaves=12,
)
STATUSES = st.sampled_from([200, 202, 400, 404, 422, 429, 500, 501])


@settings(max_examples=80, deadline=None)
@given(answers=st.lists(st.tuples(STATUSES, VALUES), min_size=1, max_size=12), sane=st.booleans())
@example(answers=[(200, {"status": []})], sane=False)
def test_whatever_a_server_answers_there_is_a_diagnosis_or_a_verdict(
    answers: list[tuple[int, Any]], sane: bool
) -> None:
    opening = Backend("openai", brain=True)

    class Anything:
        count = 0

        def handle(self, request: Request) -> Reply:
            self.count += 1
            if sane and self.count == 1:
                return opening.handle(request)
            return Reply.json(*answers[self.count % len(answers)])

    endpoint = Endpoint(profile=ServerProfile(name="x"), base_url=ADDRESS, api_key=KEY)
    with contextlib.suppress(UnusableServerError):
        diagnose(endpoint, model="m", http_client=client(Anything()))


def test_the_report_shows_verdicts_settings_and_a_profile_that_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert doctor(Backend("ollama", brain=True)) == 0

    out, err = capsys.readouterr()
    assert err.startswith(f"Probing {ADDRESS} with at most 25 small requests.\n1/25 answers\n")
    assert "silently ignored" in out
    code = out[out.index("from responses_adapters") : out.index("Not measured")]
    room = re.search(r"ResponsesNode\(.*\)", out)
    assert room is not None
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["profile"].state == "replay"
    assert room[0] == "ResponsesNode('fake-model', server=profile)"


def test_the_settings_that_are_recommended_make_a_node_and_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from responses_adapters.langgraph import ResponsesNode
    from responses_adapters.pydantic_ai import ResponsesModel

    saved = tmp_path / "gateway.toml"
    assert doctor(Backend("valar", brain=True), save=str(saved), json=True) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["langgraph"] == f"ResponsesNode('fake-model', server={str(saved)!r})"
    monkeypatch.setenv("GATEWAY_EXAMPLE_API_KEY", "fake")

    rooms = {"ResponsesNode": ResponsesNode, "ResponsesModel": ResponsesModel}
    eval(report["langgraph"], rooms)
    model = eval(report["pydantic_ai"], rooms)

    assert model.server == load_profile(saved)
    assert model.server.streams is False


def test_a_known_server_that_is_as_published_needs_nothing_but_its_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    backend = Backend("azure", brain=True)
    backend.require_key(KEY)
    url = "https://api.openai.com/v1"
    backend.configure(endpoints=frozenset({"create", "retrieve", "models", "cancel"}))

    assert doctor(backend, url=url) == 0

    assert "ResponsesModel('fake-model', server='openai')" in capsys.readouterr().out


@pytest.mark.parametrize("as_json", [False, True])
def test_the_key_is_never_printed_not_even_when_the_server_repeats_it(
    as_json: bool, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    backend = Backend("openai", brain=lambda context: f"Your key is {KEY}.")
    backend.fail(400, f"You sent {KEY}", endpoint="compact")

    saved = tmp_path / "p.toml"
    assert doctor(backend, json=as_json, save=str(saved), url=f"https://user:{KEY}@host/v1") == 0

    out, err = capsys.readouterr()
    assert "[key]" in out
    assert KEY not in out + err + saved.read_text()


def test_an_unusable_server_is_json_too_where_json_was_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert doctor(Site({}), json=True) == 2

    report = json.loads(capsys.readouterr().out)
    assert report["usable"] is False
    assert "404" in report["verdict"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "gateway"}, "not a known server"),
        ({"url": "gateway:8000/v1"}, "not an http"),
        ({"url": "http://gateway:99999/v1"}, "Port out of range"),
        ({"save": "profile.json"}, "has to end in .toml"),
        ({"save": "/nowhere/profile.toml"}, "nothing can be written in /nowhere"),
        ({"requests": 0}, "more than zero"),
        ({"timeout": 0.0}, "more than zero"),
        ({"timeout": float("nan")}, "more than zero"),
        ({"key": "schlüssel"}, "no HTTP header can carry"),
        ({"url": "https://api.openai.com/v1", "key": None}, "OPENAI_API_KEY"),
    ],
)
def test_arguments_that_make_no_sense_are_met_with_advice(
    given: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ValueError, match=said):
        doctor(Backend("openai", brain=True), **given)


def test_the_key_is_that_of_the_server_s_environment_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VALAR_API_KEY", KEY)
    backend = Backend("valar", brain=True)
    backend.require_key(KEY)

    assert doctor(backend, url="valar", key=None) == 0


def test_without_a_key_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    backend = Backend("generic", brain=True)

    assert doctor(backend, key=None) == 0

    assert not any("authorization" in request.headers for request in backend.requests)


def test_over_a_socket_the_command_prints_what_it_found_and_ends_with_0(tmp_path: Path) -> None:
    with ResponsesServer(Backend("aleph-alpha", brain=True)) as server:
        command = [sys.executable, "-m", "responses_adapters", "doctor", server.base_url, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)

    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert report["profile"]["inherits_instructions"] is True
    assert report["requests"] <= 25


def test_a_folder_in_the_place_of_the_profile_is_noticed_before_any_request(
    tmp_path: Path,
) -> None:
    backend = Backend(brain=True)
    folder = tmp_path / "p.toml"
    folder.mkdir()

    with pytest.raises(ConfigurationError, match="cannot be written over"):
        doctor(backend, save=str(folder))

    assert not backend.requests


def test_known_servers_survive_the_file_they_are_saved_in(tmp_path: Path) -> None:
    from responses_adapters.profiles import dump_profile, find_server

    for profile in SERVERS.values():
        path = tmp_path / f"{profile.name}.toml"
        path.write_text(dump_profile(profile), encoding="utf-8")
        assert find_server(str(path)) == profile


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("name = ", "profile.toml: "),
        ("state = 'server'", "'name' is missing"),
        ("name = 'x'\nstat = 'server'", "unknown field 'stat'. Did you mean 'state'"),
        ("name = 'x'\nstate = 'kept'", "state = 'kept', but it has to be 'server' or 'replay'"),
        ("name = 'x'\nstreams = 1", "streams = 1, but it has to be bool"),
        ("name = 'x'\nrefuses = 'stream'", "refuses = 'stream', but it has to be a list"),
        (
            "name = 'x'\ndemands = ['streem']",
            "it has to be a list of 'instructions', 'store', 'stream'",
        ),
        ("name = 'x'\nretention = true", "retention = True, but it has to be int"),
    ],
)
def test_a_profile_file_with_a_mistake_says_which(
    content: str | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "profile.toml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        load_profile(path)


def test_on_a_terminal_a_bar_tells_what_is_being_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")

    assert doctor(Backend("ollama", brain=True)) == 0

    err = capsys.readouterr().err
    assert "1/25 answers" not in err
    assert "\x1b[" in err


def test_without_rich_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)

    assert main(["doctor", ADDRESS]) == 2
    assert "pip install 'responses-adapters[testing]'" in capsys.readouterr().err


def test_json_needs_no_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    assert doctor(Backend("ollama", brain=True), json=True) == 0
