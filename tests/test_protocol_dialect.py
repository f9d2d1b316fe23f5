"""The dialect as pure functions: what is canonical stays the very same object, the rest becomes canonical."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from responses_adapters.profiles import SERVERS, ServerProfile
from responses_adapters.protocol.dialect import (
    EXTENSION,
    EventNormalizer,
    Reader,
    normalize_error,
    normalize_events,
    normalize_request,
    normalize_response,
)
from responses_adapters.protocol.failure import read_failure
from responses_adapters.protocol.sse import EventReader
from responses_adapters.protocol.translation import Call, Frame, Frames
from responses_adapters.testing import Backend
from responses_adapters.testing.wire import Request

ANY = ServerProfile(name="any")


def scripts(backend: Backend) -> None:
    backend.reason("Hmm.", summary="Thinking.", encrypted=True).reply("Two words.")
    backend.call_tools(("f", {"x": 1}), ("g", {"y": "ö"}))
    backend.refuse("No.")
    backend.incomplete("max_output_tokens")
    backend.fail_turn()


def exchanges(*, stream: bool) -> list[tuple[dict[str, Any], bytes]]:
    """Request bodies and raw answers of the fake's OpenAI behaviour."""
    backend = Backend("openai")
    scripts(backend)
    found = []
    for _ in range(5):
        body = {"model": "gpt-5", "input": "Go.", "stream": stream}
        request = Request(
            method="POST",
            path="/v1/responses",
            headers={"authorization": "Bearer k", "content-type": "application/json"},
            body=json.dumps(body).encode(),
        )
        reply = backend.handle(request)
        raw = reply.body
        found.append((body, raw if isinstance(raw, bytes) else b"".join(f.data for f in raw)))
    return found


def _encoded(frames: list[Frame]) -> bytes:
    return b"".join(frame.encode() for frame in frames)


def _fed(frames: Frames, data: bytes) -> bytes:
    return _encoded(frames.feed(data))


def test_a_canonical_response_is_given_back_as_it_is() -> None:
    for request, raw in exchanges(stream=False):
        body = json.loads(raw)
        assert normalize_response(body, request) is body


def test_canonical_events_are_given_back_as_they_are() -> None:
    for request, raw in exchanges(stream=True):
        events = EventReader().feed(raw)
        given_back = list(normalize_events(events, request))
        assert len(given_back) == len(events) >= 3
        assert all(one is other for one, other in zip(given_back, events, strict=True))


def test_a_canonical_request_or_error_is_given_back_as_it_is() -> None:
    request = {"model": "m", "input": [{"role": "user", "content": "Hi."}], "stream": True}
    assert normalize_request(request, SERVERS["openai"]) is request
    error = {"error": {"message": "no", "type": "x", "param": None, "code": "y"}}
    assert normalize_error(400, error) is error


@given(
    cuts=st.lists(st.integers(0, 20_000), max_size=30),
    ending=st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
def test_canonical_bytes_pass_unchanged_wherever_the_network_cuts_them(
    cuts: list[int], ending: bytes
) -> None:
    request, raw = STREAM
    raw = b": comment\n\n" + raw + b"data: [DONE]\n\n"
    raw = raw.replace(b"\n", ending)
    frames = Frames(EventNormalizer(request))
    places = sorted({0, len(raw), *(cut % len(raw) for cut in cuts)})
    out = b"".join(_fed(frames, raw[start:end]) for start, end in pairwise(places))
    assert out + _encoded(frames.finish()) == raw


STREAM = exchanges(stream=True)[0]


def test_mirrored_reasoning_is_not_sent_back_twice() -> None:
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Hmm."}],
    }
    seen = normalize_response({"output": [item]}, {}, Reader(mirror_reasoning=True))["output"][0]
    assert seen["summary"] == [{"type": "summary_text", "text": "Hmm."}]
    sent = normalize_request({"input": [seen]}, ANY)["input"][0]
    assert sent == item


def test_invented_ids_are_never_sent() -> None:
    body = {"output": [{"type": "message", "role": "assistant", "content": "Hi."}]}
    [item] = normalize_response(body, {})["output"]
    assert item["id"]
    [sent] = normalize_request({"input": [item]}, ANY)["input"]
    assert "id" not in sent


@pytest.mark.parametrize(
    ("status", "body", "message", "code"),
    [
        (404, {"detail": "gone"}, "gone", None),
        (
            422,
            {"detail": [{"loc": ["body", "model"], "msg": "missing"}]},
            "body.model: missing",
            None,
        ),
        (500, "<html>", "<html>", None),
        (400, {"error": "bad"}, "bad", None),
        (402, {"error": {"code": 402, "message": "pay"}}, "pay", "402"),
        (400, {"code": 400, "error": "old", "source": "provider"}, "old", None),
        (
            404,
            {"error": {"message": "Response with id 'resp_1' not found.", "code": 404}},
            "Response with id 'resp_1' not found.",
            "previous_response_not_found",
        ),
    ],
)
def test_errors_of_every_shape_become_one_and_keep_the_original(
    status: int, body: Any, message: str, code: str | None
) -> None:
    error = normalize_error(status, body)
    assert error["error"]["message"] == message
    assert error["error"]["code"] == code
    assert error[EXTENSION]["error"] == body


def test_half_an_event_at_the_end_is_dropped_and_the_cut_reported() -> None:
    request, raw = STREAM
    frames = Frames(EventNormalizer(request))
    out = _fed(frames, raw[: len(raw) // 2]) + _encoded(frames.finish())
    events = EventReader().feed(out)
    assert events[-1]["error"]["code"] == "stream_truncated"
    assert len([event for event in events if event.get("error")]) == 1


def test_items_that_are_announced_at_the_same_place_stay_apart() -> None:
    """As OGX 1.5 streams two calls of one answer: both at index 0, opened before either is done."""
    calls = {
        name: {"type": "function_call", "id": f"fc_{name}", "call_id": name, "name": name}
        for name in ("milk", "bread")
    }
    events: list[dict[str, Any]] = []
    for name, call in calls.items():
        place = {"item_id": call["id"], "output_index": 0}
        item = {**call, "arguments": "", "status": "in_progress"}
        events.append({"type": "response.output_item.added", "output_index": 0, "item": item})
        events.append({"type": "response.function_call_arguments.delta", **place, "delta": name})
    done = [{**call, "arguments": name, "status": "completed"} for name, call in calls.items()]
    for item in done:
        said = {"item_id": item["id"], "output_index": 0, "arguments": item["arguments"]}
        events.append({"type": "response.function_call_arguments.done", **said})
    for index, item in enumerate(done):
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    response = {"id": "resp_1", "status": "completed", "output": done}
    events.append({"type": "response.completed", "response": response})

    normal = list(normalize_events(events, {"model": "m"}))

    told: dict[str, list[Any]] = {}
    for event in normal[1:-1]:
        key = event.get("item_id") or event["item"]["id"]
        told.setdefault(key, []).append((event["type"].rpartition(".")[2], event["output_index"]))
    steps = ("added", "delta", "done", "done")
    assert told == {
        "fc_milk": [(step, 0) for step in steps],
        "fc_bread": [(step, 1) for step in steps],
    }
    assert normal[-1]["type"] == "response.completed"


def test_the_sentinel_does_not_hide_that_the_answer_is_missing() -> None:
    frames = Frames(EventNormalizer({"stream": True}))
    out = _fed(frames, b"data: [DONE]\n\n")
    assert out.index(b"stream_truncated") < out.index(b"[DONE]")


def test_an_event_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responses_adapters.protocol.translation._MAX_FRAME", 1000)
    frames = Frames(EventNormalizer({"stream": True}))
    out = b"".join(_fed(frames, b"data: " + b"x" * 300) for _ in range(4))
    assert b"frame_too_large" in out
    assert frames.closed


def test_only_create_and_retrieve_calls_are_translated() -> None:
    for method, path, translated in (
        ("POST", "/v1/responses", True),
        ("GET", "/v1/responses/resp_1", True),
        ("POST", "/v1/responses/resp_1/cancel", False),
        ("DELETE", "/v1/responses/resp_1", False),
        ("GET", "/v1/models", False),
        ("POST", "/v1/chat/completions", False),
    ):
        assert (Call.of(method, path, ANY, Reader()) is not None) == translated


NAMES = st.sampled_from(
    """
    annotations arguments background call_id code content content_index delta detail error id input_tokens item
    item_id loc message msg name output output_index param prompt_tokens refusal response responses_adapters role
    status summary summary_index text type unmapped usage
    """.split()  # noqa: SIM905 - a list would take a line for each
)
WORDS = st.sampled_from(["completed", "failed", "function_call", "message", "pending", "reasoning"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=6)
KINDS = st.sampled_from(
    """
    created completed content_part.added done function_call_arguments.delta function_call_arguments.done
    incomplete invented output_item.added output_item.done output_text.delta output_text.done reasoning.delta
    reasoning_summary_text.delta reasoning_text.done refusal.done
    """.split()  # noqa: SIM905 - a list would take a line for each
)
EVENTS = OBJECTS | st.builds(
    lambda event, kind: {**event, "type": f"response.{kind}"}, OBJECTS, KINDS
)
READERS = st.builds(Reader, mirror_reasoning=st.booleans())


@given(body=OBJECTS, request=st.none() | OBJECTS, reader=READERS)
@example(body={"status": []}, request=None, reader=Reader())
@example(body={"output": [{"type": ["message"]}]}, request=None, reader=Reader())
@example(
    body={"output": [{"type": "new"}], "responses_adapters": []}, request=None, reader=Reader()
)
def test_no_json_object_is_too_odd_for_a_response(
    body: dict[str, Any], request: dict[str, Any] | None, reader: Reader
) -> None:
    normal = normalize_response(body, request, reader)
    assert all(isinstance(item["type"], str) for item in normal["output"])
    json.dumps(normal)


@given(
    events=st.lists(EVENTS, max_size=5), request=st.none() | st.just({"model": "m"}), reader=READERS
)
@example(
    events=[{"type": "response.output_text.delta", "content_index": [0], "delta": "a"}],
    request={},
    reader=Reader(),
)
@example(
    events=[
        {"type": "response.output_item.added", "item": {"type": "new", "id": ["x"]}},
        {"type": "response.output_item.added", "item": {"type": "message", "id": "m"}},
        {"type": "response.output_text.delta", "item_id": [], "delta": "a"},
    ],
    request={},
    reader=Reader(),
)
@example(
    events=[
        {
            "type": "response.output_item.added",
            "item": {"type": "function_call", "arguments": {"x": 1}},
        },
        {"type": "response.function_call_arguments.done", "arguments": "{}"},
        {"type": "response.output_item.done", "item": {"type": "message", "summary": 1}},
        {"type": "response.output_item.done", "item": {"type": "mcp_call", "content": ["x"]}},
        {"type": "response.completed", "response": {"status": {}}},
    ],
    request={},
    reader=Reader(),
)
def test_no_json_object_is_too_odd_for_an_event(
    events: list[dict[str, Any]], request: dict[str, Any] | None, reader: Reader
) -> None:
    for event in normalize_events(events, request, reader):
        json.dumps(event)


@pytest.mark.parametrize("echo", [{"previous_response_id": "chatcmpl-1"}, {}])
def test_the_response_that_was_continued_keeps_the_name_by_which_it_was_asked_for(
    echo: dict[str, str],
) -> None:
    body = {"id": "resp_2", "status": "completed", "output": [], **echo}

    assert normalize_response(body, {"previous_response_id": "resp_1"})["previous_response_id"] == (
        "resp_1"
    )
    assert normalize_response(body, {}) is body


def test_a_null_echo_is_left_since_it_may_say_that_the_server_forgot() -> None:
    body = {"id": "resp_2", "status": "completed", "output": [], "previous_response_id": None}

    assert normalize_response(body, {"previous_response_id": "resp_1"}) is body


def test_an_answer_cut_at_its_length_says_so_in_the_words_of_the_specification() -> None:
    """As OGX 1.5 hands on the reason of the chat completion behind it."""
    body = {"id": "resp_1", "status": "incomplete", "output": []}

    normal = normalize_response({**body, "incomplete_details": {"reason": "length"}})

    assert normal["incomplete_details"] == {"reason": "max_output_tokens"}
    filtered = {**body, "incomplete_details": {"reason": "content_filter"}}
    assert normalize_response(filtered) is filtered


@given(status=st.sampled_from([200, 400, 404, 500]), body=VALUES | OBJECTS)
@example(status=422, body={"detail": [{"loc": 1, "msg": "no"}]})
def test_no_json_value_is_too_odd_for_an_error(status: int, body: Any) -> None:
    failure = read_failure(status, body)
    assert isinstance(failure.message, str)
    assert isinstance(failure.lost_response, bool)
    assert isinstance(failure.transient, bool)
    assert normalize_error(status, body)["error"]["message"] is not None


# Duties of a client, by server.


def test_v1_valar_gets_what_it_takes_and_nothing_that_it_refuses() -> None:
    sent = normalize_request(
        {
            "model": "m",
            "instructions": "Be brief.",
            "input": [{"role": "user", "content": "Hi."}],
            "stream": True,
            "parallel_tool_calls": True,
            "truncation": "auto",
            "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
            "reasoning": {"effort": "low", "summary": "auto"},
        },
        SERVERS["valar"],
    )
    assert sent == {
        "model": "m",
        "input": [
            {"type": "message", "role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi."},
        ],
        "include": ["message.output_text.logprobs"],
        "reasoning": {"effort": "low", "generate_summary": "auto"},
    }


def test_b2_blackbox_gets_encrypted_reasoning_back_verbatim_and_no_ids_that_it_never_stored() -> (
    None
):
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
    sent = normalize_request({"input": [reasoning, call]}, SERVERS["blackbox"])["input"]
    assert sent[0] == reasoning
    assert sent[1] == {key: value for key, value in call.items() if key != "id"}


def test_o3_and_a4_items_are_typed_and_assistant_text_is_a_list_of_parts() -> None:
    items = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Yes."}]
    for server in ("orq", "aleph-alpha"):
        user, assistant = normalize_request({"input": items}, SERVERS[server])["input"]
        assert user == {"type": "message", "role": "user", "content": "Hi."}
        assert assistant["type"] == "message"
        assert assistant["content"] == [{"type": "output_text", "text": "Yes.", "annotations": []}]


def test_o4_metadata_is_text() -> None:
    sent = normalize_request({"metadata": {"seats": 4, "vip": True, "room": "Birch"}}, ANY)
    assert sent["metadata"] == {"seats": "4", "vip": "true", "room": "Birch"}


def test_a8_a_conversation_is_an_object_where_only_that_is_understood() -> None:
    request = {"input": [], "conversation": "conv_1"}
    assert normalize_request(request, SERVERS["aleph-alpha"])["conversation"] == {"id": "conv_1"}
    assert normalize_request(request, SERVERS["openai"]) is request
