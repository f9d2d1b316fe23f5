"""Recording a server and replaying it: the same bytes and timing, no secrets."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pytest
import yaml

from responses_adapters import ConfigurationError, MissingExtraError
from responses_adapters.endpoints import Endpoint
from responses_adapters.profiles import SERVERS
from responses_adapters.testing import Backend
from responses_adapters.testing.asgi import FakeApp
from responses_adapters.testing.record import Recorder, record_into, write_script
from responses_adapters.testing.redaction import is_redacted_form, redact
from responses_adapters.testing.replay import Exchange, Replay, load_script
from responses_adapters.testing.server import ResponsesServer
from responses_adapters.testing.transport import make_transport, openai_client, sdk_library
from responses_adapters.testing.wire import Frame, Reply, Request

sdk_http = import_module(sdk_library())  # httpx2, or httpx under OpenAI 2.x

KEY = "sk-live-0123456789abcdef"
EVENTS = {"content-type": "text/event-stream"}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "recorded.yaml"


@pytest.fixture
def record(script: Path):
    """Let a client talk to a backend through the recorder; gives the exchanges as written."""

    def record(backend: Any, talk: Any) -> list[dict[str, Any]]:
        with ResponsesServer(backend) as upstream:
            endpoint = Endpoint(profile=SERVERS["valar"], base_url=upstream.base_url, api_key=KEY)
            with (
                record_into(script, endpoint) as proxy,
                openai.OpenAI(base_url=proxy.base_url, api_key="x", max_retries=0) as client,
            ):
                talk(client)
        written: list[dict[str, Any]] = yaml.safe_load(script.read_text())["exchanges"]
        return written

    return record


def converse(client: openai.OpenAI) -> list[Any]:
    first = client.responses.create(model="m", input="Is it free?")
    stream = client.responses.create(
        model="m", input="Book it.", previous_response_id=first.id, stream=True
    )
    said = [event.to_dict() for event in stream]
    return [first.to_dict(), said, client.responses.retrieve(first.id).to_dict()]


def test_a_replay_gives_the_client_what_the_server_gave(record, script):
    backend = Backend()
    backend.reply("It is free.")
    backend.reason("Hm.").reply("Booked, both of them — ünïcode too.")
    heard: list[Any] = []

    record(backend, lambda client: heard.extend(converse(client)))

    replay = Replay.from_file(script)
    assert converse(openai_client(replay)) == heard
    replay.verify()


def test_a_replayed_stream_is_the_same_bytes_in_the_same_frames(record, script):
    blocks = [
        b'event: a\ndata: {"n": 1}\n\n',
        b": ping\n\n",
        b"data: not json\r\n\r\n",
        b"data: cut",
    ]
    backend = SimpleNamespace(
        handle=lambda request: Reply(200, EVENTS, iter(Frame(block) for block in blocks))
    )

    def talk(client: openai.OpenAI) -> None:
        body = {"input": "x"}
        seen = sdk_http.post(
            f"{client.base_url}responses", json=body, headers={"authorization": "x"}
        )
        assert seen.content == b"".join(blocks)

    record(backend, talk)

    reply = Replay.from_file(script).handle(
        Request("POST", "/v1/responses", body=b'{"input": "x"}')
    )
    assert not isinstance(reply.body, bytes)
    assert [frame.data for frame in reply.body] == blocks


def test_the_time_between_events_is_kept(record, script):
    backend = SimpleNamespace(
        handle=lambda request: Reply(
            200, EVENTS, iter([Frame(b"data: 1\n\n"), Frame(b"data: 2\n\n", delay=0.2)])
        )
    )

    written = record(backend, lambda client: sdk_http.post(f"{client.base_url}responses", json={}))

    delays = [frame.get("delay", 0) for frame in written[0]["reply"]["frames"]]
    assert delays[1] >= 0.19
    assert delays[1] > delays[0]


def test_the_real_key_goes_upstream_and_nowhere_else(record, script):
    backend = Backend()
    backend.require_key(KEY).reply(f"Your key is {KEY}.")
    backend.reply(f"Again: {KEY}")

    def talk(client: openai.OpenAI) -> None:
        body = {"model": "m", "input": f"My key is {KEY}, hide it."}
        client.responses.create(**body)
        assert list(client.responses.create(**body, stream=True))

    record(backend, talk)

    assert backend.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert backend.requests[-1].headers["accept-encoding"] == "identity"
    assert KEY not in script.read_text()
    assert "authorization" not in script.read_text().lower()


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ({"api_key": "x", "token": 5}, {"api_key": "REDACTED", "token": "REDACTED"}),
        ({"headers": {"X": "1"}}, {"headers": {"X": "REDACTED"}}),
        ({"variables": {"a": {"b": 1}}}, {"variables": {"a": "REDACTED"}}),
        (["Bearer abcdefghij"], ["REDACTED"]),
        ("key sk-proj-0123456789abcdef.", "key REDACTED."),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.sig", "REDACTED"),
        ("said hush-hush", "said REDACTED"),
        ({"properties": {"password": "x"}}, {"properties": {"password": "REDACTED"}}),
        (
            {"properties": {"password": {"type": "string", "default": "x"}}},
            {"properties": {"password": {"type": "string", "default": "REDACTED"}}},
        ),
        (
            {"properties": {"headers": {"type": "object", "default": {"X": "x"}}}},
            {"properties": {"headers": {"type": "object", "default": "REDACTED"}}},
        ),
        (
            {"properties": {"token": {"anyOf": [{"enum": ["a"]}, {"type": "null"}]}}},
            {"properties": {"token": {"anyOf": [{"enum": "REDACTED"}, {"type": "null"}]}}},
        ),
        (
            {"properties": {"password": {"value": "x"}, "headers": {"X": "x"}}},
            {"properties": {"password": "REDACTED", "headers": {"X": "REDACTED"}}},
        ),
    ],
)
def test_secrets_are_found_by_field_by_shape_and_by_value(value, clean):
    assert redact(value, ["hush-hush"]) == clean


@pytest.mark.parametrize(
    "value",
    [
        {"max_output_tokens": 5, "text": None},
        {
            "logprobs": [
                {
                    "token": "Hel",
                    "logprob": -0.1,
                    "top_logprobs": [{"token": "Hel", "logprob": -0.1}],
                }
            ]
        },
        {"properties": {"password": {"type": "string"}, "headers": {"type": "object"}}},
        {"$defs": {"Token": {"type": "object", "properties": {}}}},
    ],
)
def test_what_only_looks_like_a_secret_stays(value):
    assert redact(value) == value


def test_requests_are_told_apart_where_something_in_them_was_redacted(record, script):
    tool = {
        "type": "mcp",
        "server_label": "s",
        "server_url": "https://x/mcp",
        "headers": {"X": KEY},
    }

    def talk(client: openai.OpenAI, questions: list[str]) -> list[str]:
        return [
            client.responses.create(
                model="m", input=question, tools=[tool], instructions=f"Hide {KEY}!"
            ).output_text
            for question in questions
        ]

    backend = Backend()
    backend.reply("an a")
    backend.reply("a b")
    record(backend, lambda client: talk(client, ["a", "b"]))

    assert KEY not in script.read_text()
    assert talk(openai_client(Replay.from_file(script)), ["b", "a"]) == ["a b", "an a"]


def test_errors_and_broken_streams_are_replayed_too(record, script):
    backend = Backend()
    backend.fail(429, retry_after=0.5)
    backend.disconnect(after=3)
    backend.reply("One two.")

    def talk(client: openai.OpenAI) -> list[Any]:
        with pytest.raises(openai.RateLimitError) as limited:
            client.responses.create(model="m", input="Hi")
        seen: list[Any] = []
        with pytest.raises((openai.APIConnectionError, sdk_http.RemoteProtocolError)) as broken:
            seen.extend(client.responses.create(model="m", input="Hi", stream=True))
        wait = limited.value.response.headers["retry-after-ms"]
        return [wait, len(seen), type(broken.value.__cause__).__name__]

    record(backend, talk)

    assert talk(openai_client(Replay.from_file(script), max_retries=0)) == [
        "500",
        3,
        "RemoteProtocolError",
    ]


def test_a_server_that_cannot_be_reached_is_an_answer_not_an_exchange(script):
    with ResponsesServer(Backend()) as gone:
        address = gone.base_url
    endpoint = Endpoint(profile=SERVERS["valar"], base_url=address, api_key=None)

    with record_into(script, endpoint) as proxy:
        answer = sdk_http.get(f"{proxy.base_url}/models")

    assert answer.status_code == 502
    assert address in answer.json()["error"]["message"]
    assert yaml.safe_load(script.read_text()) == {"server": "valar", "exchanges": []}
    assert list(script.parent.iterdir()) == [script]


def exchange(path: str, said: str, body: Any = None, method: str = "POST") -> Exchange:
    return Exchange(method=method, path=path, body=body, status=200, content={"said": said})


def ask(replay: Replay, path: str, body: Any = None, method: str = "POST") -> Any:
    request = Request(method, f"/any/v1{path}", body=json.dumps(body).encode() if body else b"")
    reply = replay.handle(request)
    assert isinstance(reply.body, bytes)
    return json.loads(reply.body)


def test_an_equal_body_is_answered_first_and_any_other_in_order():
    replay = Replay(
        [
            exchange("/responses", "one", {"input": "a"}),
            exchange("/responses", "two", {"input": "b"}),
            exchange("/responses", "three", {"input": "c"}),
        ]
    )

    assert ask(replay, "/responses", {"input": "b"}) == {"said": "two"}
    assert ask(replay, "/responses", {"input": "changed"}) == {"said": "one"}
    assert ask(replay, "/responses", {"input": "c"}) == {"said": "three"}


def test_the_last_poll_is_repeated():
    replay = Replay(
        [
            exchange("/responses/r", "queued", method="GET"),
            exchange("/responses/r", "completed", method="GET"),
        ]
    )

    polls = [ask(replay, "/responses/r", method="GET")["said"] for _ in range(4)]

    assert polls == ["queued", "completed", "completed", "completed"]
    replay.verify()


def test_what_was_not_recorded_is_refused_and_reported():
    replay = Replay([exchange("/responses", "one")])

    error = ask(replay, "/models", method="GET")["error"]

    assert error["message"].endswith(
        "GET /any/v1/models was not recorded; left to replay: POST /responses"
    )
    with pytest.raises(AssertionError, match="never asked for:\n  POST /responses\nGET /any"):
        replay.verify()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- a list", "must be a mapping"),
        ("server: openai", "no list of `exchanges`"),
        ("exchanges: [{method: POST}]", "not an exchange"),
        ("exchanges: [{method: GET, path: /x, reply: {fault: fire}}]", "'fire'"),
        ("{", "cannot read the script"),
    ],
)
def test_a_file_that_is_no_recording_is_named_with_its_fault(script, text, complaint):
    script.write_text(text)

    with pytest.raises(ConfigurationError, match=complaint):
        Replay.from_file(script)


def test_every_kind_of_exchange_survives_the_script():
    exchanges = [
        exchange("/responses", "json", {"input": "a"}),
        Exchange(method="GET", path="/health", status=200, content="ok"),
        Exchange(method="DELETE", path="/responses/r", status=204),
        Exchange(method="POST", path="/responses", fault="disconnect"),
        Exchange(
            method="POST",
            path="/responses",
            status=200,
            headers=EVENTS,
            frames=(Frame(b"data: 1\n\n", 0.5), Frame(fault="disconnect")),
        ),
    ]

    assert [Exchange.from_dict(each.to_dict()) for each in exchanges] == exchanges


def test_a_replay_can_be_carried_like_a_backend():
    replay = Replay([exchange("/models", "here", method="GET")])

    with sdk_http.Client(transport=make_transport(replay)) as client:
        assert client.get("http://x/v1/models").json() == {"said": "here"}


@pytest.mark.parametrize(
    ("exchange", "status", "body", "fault"),
    [
        (Exchange(method="GET", path="/a", status=200, content="<html>"), 200, b"<html>", None),
        (Exchange(method="GET", path="/a", status=204), 204, b"", None),
        (Exchange(method="GET", path="/a", status=200, content={"a": 1}), 200, b'{"a":1}', None),
        (Exchange(method="GET", path="/a", fault="refuse"), 0, b"", "refuse"),
    ],
    ids=["text", "nothing", "JSON", "fault"],
)
def test_every_kind_of_reply_is_given_again(exchange, status, body, fault):
    reply = Replay([exchange]).handle(Request("GET", "/v1/a"))
    assert (reply.status, reply.body, reply.fault) == (status, body, fault)


def test_without_pyyaml_the_command_that_installs_it_is_named(script, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingExtraError, match=r"responses-adapters\[testing\]"):
        load_script(script)
    with pytest.raises(MissingExtraError, match=r"responses-adapters\[testing\]"):
        write_script(script, "openai", [])


@pytest.mark.parametrize("app", [FakeApp(Backend()), Recorder("http://x")])
async def test_what_is_no_request_is_not_served(app):
    with pytest.raises(NotImplementedError):
        await app({"type": "strange"}, None, None)


@pytest.mark.parametrize(("end", "same"), [("end", True), ("no end", False)])
def test_a_long_text_with_many_secrets_is_compared_at_once(end, same):
    said = "".join(f"GET /{n} Bearer abcdefghij{n:02} 200\n" for n in range(60))
    assert is_redacted_form(redact(f"{said}end"), f"{said}{end}") is same
