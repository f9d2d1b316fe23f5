"""The duties of a client towards every server, kept by the node."""

from __future__ import annotations

import openai
import pytest
from langchain_core.messages import AIMessage

from asking import send
from on_server import FAST, kinds, say, script_turn, stream, thread
from responses_adapters.errors import (
    ResponseFailedError,
    ResponsesAdapterError,
)
from responses_adapters.profiles import SERVERS
from responses_adapters.testing import Backend


@pytest.mark.parametrize("server", ["openai", "aleph-alpha", "orq"])
def test_c1_only_an_ended_and_stored_response_is_continued(server: str) -> None:
    backend = Backend(server)
    backend.reply("one").then.reply("two").then.reply("three")
    say(app := thread(backend, store=False), "a")
    say(app, "b")
    assert [each.previous_response_id for each in backend.creates] == [None, None]
    backend.reply("half").incomplete().then.reply("five")
    say(kept := thread(backend), "c")
    say(kept, "d")
    say(kept, "e")
    ids = [each.previous_response_id for each in backend.creates[2:]]
    assert ids == [None, backend.creates[2].response_id, backend.creates[2].response_id]


@pytest.mark.parametrize("server", ["openai", "aleph-alpha", "orq"])
def test_c2_a_continuation_holds_only_what_is_newer(server: str) -> None:
    backend = Backend(server)
    app = thread(backend)
    for room in ("Birch", "Cedar"):
        script_turn(backend, room)
        say(app, f"Is {room} free?")
    sent = [kinds(each.input) for each in backend.creates]
    assert sent == [["message"], ["function_call_output"]] * 2


@pytest.mark.parametrize("server", sorted(SERVERS))
def test_c3_all_calls_are_answered_in_one_request_before_anything_new(server: str) -> None:
    backend = Backend(server)
    backend.call_tools(("check_room", {"room": "Birch"}), ("check_room", {"room": "Cedar"}))
    backend.reply("Both.")
    say(thread(backend), "Which are free?")
    _, [*_, one, two] = backend.turns()[0]
    outputs = [item for item in backend.contexts[-1] if item.get("type") == "function_call_output"]
    assert [(item["call_id"], item["output"]) for item in outputs] == [
        (one["call_id"], "Birch is free"),
        (two["call_id"], "Cedar is free"),
    ]


@pytest.mark.parametrize("server", ["openai", "aleph-alpha"])
def test_c4_a_conversation_is_never_named_together_with_a_response(server: str) -> None:
    backend = Backend(server)
    _, conversation = send(backend, "POST", "/v1/conversations", {})
    app = thread(backend, conversation=conversation["id"])
    for room in ("Birch", "Cedar"):
        script_turn(backend, room)
        say(app, f"Is {room} free?")
    assert [each.previous_response_id for each in backend.creates] == [None] * 4
    asked = {"id": conversation["id"]} if server == "aleph-alpha" else conversation["id"]
    assert all(each.json["conversation"] == asked for each in backend.creates)


@pytest.mark.parametrize("shape", ["openai", "detail", "int_code", "string", "message"])
def test_c5_errors_are_read_in_every_shape(shape: str) -> None:
    backend = Backend("generic").configure(error_shape=shape)
    backend.fail(400, "No quota left.", code="quota")
    with pytest.raises(openai.BadRequestError, match=r"No quota left\."):
        say(thread(backend), "Hello")


@pytest.mark.parametrize("usage", ["full", "totals", "pair", "valar", "orq", "orq_priced"])
@pytest.mark.parametrize("streaming", [False, True])
def test_c6_usage_is_read_in_every_shape(usage: str, streaming: bool) -> None:
    backend = Backend("generic").configure(usage=usage)
    backend.reply("Hi.")
    answer = say(thread(backend, streaming=streaming), "Hello")[-1]
    assert isinstance(answer, AIMessage)
    assert answer.usage_metadata is not None
    counted = answer.usage_metadata
    assert counted["total_tokens"] == counted["input_tokens"] + counted["output_tokens"] > 0


@pytest.mark.parametrize("event_lines", [True, False])
@pytest.mark.parametrize("done_line", [True, False])
@pytest.mark.parametrize("keep_alive", [None, ": keepalive"])
def test_c7_streams_are_read_whatever_frames_them_and_must_come_to_their_end(
    event_lines: bool, done_line: bool, keep_alive: str | None
) -> None:
    backend = Backend("generic").configure(
        event_lines=event_lines, done_line=done_line, keep_alive=keep_alive
    )
    backend.reply("Hi there.")
    app = thread(backend, store=False)
    assert "".join(stream(app, "Hello")) == "Hi there."
    for shape in ("flat", "nested", "bare"):
        backend.error_event(message="Overheated.", after=3, shape=shape).reply("Never said.")
        with pytest.raises(ResponseFailedError, match="Overheated"):
            stream(app, "Hello")
    backend.truncate(after=5).reply("Half of it.")
    with pytest.raises(ResponsesAdapterError, match="ended the stream before"):
        stream(app, "Hello")


@pytest.mark.parametrize("waits", [("paused",), ("in_progress", "paused")])
def test_c8_a_status_that_nobody_knows_is_an_error_and_not_waited_for(
    waits: tuple[str, ...],
) -> None:
    backend = Backend("valar").configure(background_waits=waits)
    backend.reply("Never seen.").in_background(5)
    with pytest.raises(ResponseFailedError, match="ended as paused"):
        say(thread(backend, background=FAST), "Hello")
    assert len([each for each in backend.requests if each.method == "GET"]) == len(waits) - 1
