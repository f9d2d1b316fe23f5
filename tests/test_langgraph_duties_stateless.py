"""The duties of a client towards servers that keep no conversations: Valar, Blackbox and Otari."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import openai
import pytest

from on_server import FAST, kinds, say, script_turn, stream, thread
from responses_adapters.errors import (
    ResponseFailedError,
    ResponsesAdapterError,
    UnsupportedByServerError,
)
from responses_adapters.profiles import SERVERS
from responses_adapters.testing import Backend
from responses_adapters.testing.servers import BLACKBOX_LEGACY


@pytest.mark.parametrize("server", ["valar", "blackbox", "otari"])
def test_v2_a_server_without_memory_gets_the_last_request_its_output_unchanged_and_what_is_new(
    server: str,
) -> None:
    backend = Backend(server)
    app = thread(backend, instructions="Be brief.")
    for room in ("Birch", "Cedar"):
        script_turn(backend, room)
        say(app, f"Is {room} free?")
    outputs = [output for _, output in backend.turns()]
    assert len(backend.creates) == 4
    for (before, after), output in zip(pairwise(backend.creates), outputs[:-1], strict=True):
        assert after.input[: len(before.input)] == before.input
        replayed = after.input[len(before.input) : len(before.input) + len(output)]
        unnamed = (
            set() if server == "valar" else {"id"}
        )  # an id that is not kept stands for nothing
        assert replayed == [
            {k: v for k, v in item.items() if k not in unnamed or item["type"] == "reasoning"}
            for item in output
        ]


def test_v3_a_valar_answer_streams_as_one_piece() -> None:
    backend = Backend("valar")
    backend.reply("one two three")
    assert stream(thread(backend), "Hello") == ["one two three"]
    assert "stream" not in backend.creates[0].json


def test_v4_one_idempotency_key_for_one_call_and_a_new_one_for_the_next() -> None:
    backend = Backend("valar")
    backend.fail(500).disconnect().reply("one").then.reply("two")
    app = thread(backend)
    say(app, "a")
    say(app, "b")
    *same, other = [each.headers["idempotency-key"] for each in backend.creates]
    assert len(same) >= 2
    assert len(set(same)) == 1
    assert other not in same


@pytest.mark.parametrize("waits", [("pending", "running"), ("queued", "in_progress")])
def test_v5_background_is_waited_for_in_both_vocabularies(waits: tuple[str, ...]) -> None:
    backend = Backend("valar").configure(background_waits=waits)
    backend.background(polls=3).reply("done")
    assert say(thread(backend, background=FAST), "go")[-1].text == "done"
    assert len(backend.creates) == 1


def test_v6_the_flex_window_is_for_background_only() -> None:
    backend = Backend("valar")
    backend.background(polls=1).reply("cheap")
    flex = {"request_metadata": {"completion_window": "flex"}}
    assert say(thread(backend, background=FAST, **flex), "go")[-1].text == "cheap"
    assert backend.creates[0].json["metadata"] == {"completion_window": "flex"}
    with pytest.raises(openai.BadRequestError, match="requires 'background'"):
        say(thread(backend, **flex), "go")


def test_b1_tools_are_flat() -> None:
    backend = Backend("blackbox")
    backend.reply("ok")
    say(thread(backend), "Hello")
    (tool,) = backend.creates[0].json["tools"]
    assert (tool["type"], tool["name"]) == ("function", "check_room")
    assert "function" not in tool


@pytest.mark.parametrize("streaming", [False, True])
def test_b2_encrypted_reasoning_goes_back_unasked_verbatim_and_in_its_place(
    streaming: bool,
) -> None:
    backend = Backend("blackbox").configure(strict_seals=True, only_events=None)
    script_turn(backend, "Birch")
    app = thread(backend, streaming=streaming)
    say(app, "Is Birch free?")
    (_, first), _ = backend.turns()
    assert [item["type"] for item in first] == ["reasoning", "function_call"]
    sent = backend.creates[1].input
    assert [item["type"] for item in sent] == [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
    ]
    assert sent[1]["encrypted_content"] == first[0]["encrypted_content"]
    assert "include" not in backend.creates[0].json


def test_b3_outputs_follow_their_calls_at_once() -> None:
    backend = Backend("blackbox")
    backend.call_tools(("check_room", {"room": "Birch"}), ("check_room", {"room": "Cedar"}))
    backend.reply("Both.").then.reply("Sure.")
    app = thread(backend)
    say(app, "Which are free?")
    say(app, "Sure?")
    assert kinds(backend.creates[-1].input) == [
        "message",
        *["function_call"] * 2,
        *["function_call_output"] * 2,
        *["message"] * 2,
    ]


def test_b4_nothing_is_retrieved_or_waited_for_where_nothing_is_kept() -> None:
    backend = Backend("blackbox")
    backend.reply("one two three").truncate(after=3)
    with pytest.raises(ResponsesAdapterError, match="ended the stream before"):
        stream(thread(backend), "Hello")
    with pytest.raises(UnsupportedByServerError, match="background"):
        say(thread(backend, background=True), "Hello")
    assert {each.method for each in backend.requests} == {"POST"}


def test_b5_an_error_in_a_good_answer_is_an_error() -> None:
    backend = Backend("blackbox")
    backend.fail(200, "Flagged.", code="403")
    with pytest.raises(ResponseFailedError, match="Flagged"):
        say(thread(backend), "Hello")


@pytest.mark.parametrize("streaming", [False, True])
def test_b6_a_server_that_demands_parameters_gets_them(streaming: bool) -> None:
    backend = Backend("blackbox").configure(demands=BLACKBOX_LEGACY)
    script_turn(backend, "Birch")
    demands: Any = frozenset({"stream", "store", "instructions"})
    old = replace(SERVERS["blackbox"], demands=demands)
    app = thread(backend, server=old, streaming=streaming)
    assert say(app, "Is Birch free?")[-1].text == "Birch is free."
    for request in backend.creates:
        assert (request.json["stream"], request.json["store"]) == (True, False)
        assert request.json["instructions"]


def test_m2_errors_are_read_from_the_detail() -> None:
    backend = Backend("otari")
    node = thread(backend)
    backend.fail(429, "Slow down.", times=9, retry_after=0.001)
    with pytest.raises(openai.RateLimitError, match=r"Slow down\."):
        say(node, "Hello")


def test_m3_a_stream_that_ends_in_an_error_is_an_error() -> None:
    backend = Backend("otari")
    backend.error_event(message="Upstream died.", after=3, shape="bare").reply("Half")
    with pytest.raises(ResponseFailedError, match="Upstream died"):
        stream(thread(backend), "Hello")
