from __future__ import annotations

import json
from typing import Any

import pytest

from responses_adapters.testing import Backend, Request
from responses_adapters.testing.websocket import SocketSession


def ask(session: SocketSession, text: Any = "hi", **fields: Any) -> list[Any]:
    message = {"type": "response.create", "model": "m", "input": text, **fields}
    return [json.loads(answer) for answer in session.receive(json.dumps(message))]


def code(events: list[Any]) -> str:
    (event,) = events
    assert event["type"] == "error"
    return str(event["error"]["code"])


def test_a_socket_gives_the_same_events_as_a_stream() -> None:
    events = ask(Backend(brain=lambda context: "one two").socket())
    body = b'{"model": "m", "input": "hi", "stream": true}'
    reply = Backend(brain=lambda context: "one two").handle(
        Request("POST", "/v1/responses", body=body)
    )
    assert not isinstance(reply.body, bytes)
    streamed = [json.loads(f.data.decode().split("data: ")[1]) for f in reply.body]
    assert events == streamed


def test_the_connection_remembers_its_newest_unstored_response() -> None:
    be = Backend(brain=lambda context: "ok")
    session = be.socket()
    first = ask(session, "a", store=False)[-1]["response"]
    second = ask(session, "b", store=False, previous_response_id=first["id"])[-1]["response"]
    assert second["status"] == "completed"
    assert be.contexts[-1].texts == ["a", "ok", "b"]
    lost = ask(session, "c", store=False, previous_response_id=first["id"])
    assert code(lost) == "previous_response_not_found"


def test_another_connection_does_not_remember_and_goes_on_after_the_error() -> None:
    be = Backend(brain=lambda context: "ok")
    first = ask(be.socket(), "a", store=False)[-1]["response"]
    session = be.socket()
    lost = ask(session, "b", previous_response_id=first["id"])
    assert code(lost) == "previous_response_not_found"
    assert lost[0]["status"] == 400
    assert ask(session, "c")[-1]["type"] == "response.completed"


def test_a_failed_continuation_takes_the_memory_away() -> None:
    session = Backend(brain=lambda context: "ok").socket()
    first = ask(session, "a", store=False)[-1]["response"]
    orphan = {"type": "function_call_output", "call_id": "call_x", "output": "x"}
    failed = ask(session, [orphan], store=False, previous_response_id=first["id"])
    assert "No tool call found" in failed[0]["error"]["message"]
    lost = ask(session, "b", store=False, previous_response_id=first["id"])
    assert code(lost) == "previous_response_not_found"


GOOD = {"type": "response.create", "model": "m", "input": "hi"}


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("{", "invalid_json"),
        ("[]", "invalid_json"),
        (json.dumps({**GOOD, "type": "other"}), "invalid_value"),
        (json.dumps({**GOOD, "stream": True}), "unknown_parameter"),
        (json.dumps({**GOOD, "background": True}), "unknown_parameter"),
    ],
)
def test_a_message_that_is_no_create_is_refused(message: str, told: str) -> None:
    session = Backend(brain=lambda context: "ok").socket()
    (answer,) = session.receive(message)
    assert json.loads(answer)["status"] == 400
    assert json.loads(answer)["error"]["code"] == told
    assert ask(session)[-1]["type"] == "response.completed"


def test_a_connection_lives_for_an_hour() -> None:
    be = Backend(brain=lambda context: "ok")
    session = be.socket()
    be.clock.advance(3600)
    assert code(ask(session)) == "websocket_connection_limit_reached"


def test_scripted_failures_and_keys_count_on_sockets_too() -> None:
    be = Backend(brain=lambda context: "ok").fail(429)
    assert code(ask(be.socket())) == "rate_limit_exceeded"
    be.require_key("sk-1")
    assert code(ask(be.socket())) == "invalid_api_key"
    session = be.socket(headers={"authorization": "Bearer sk-1"})
    assert ask(session)[-1]["type"] == "response.completed"
    assert [recorded.status for recorded in be.creates] == [429, 401, 200]


def test_scripted_faults_break_a_socket_where_they_were_put() -> None:
    be = Backend(brain=lambda context: "one two")
    session = be.socket()
    be.truncate(after=2)
    assert len(ask(session)) == 2
    assert session.fault is None
    be.disconnect(after=1)
    assert len(ask(session)) == 1
    assert session.fault == "disconnect"
    be.disconnect(kind="reset")
    turns = len(be.contexts)
    assert ask(session) == []
    assert (session.fault, len(be.contexts)) == ("reset", turns)
    be.error_event("oops", after=1)
    assert ask(session)[-1]["code"] == "oops"
    assert session.fault is None
