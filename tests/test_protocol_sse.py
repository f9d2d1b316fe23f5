"""Event streams are read whatever the server leaves out and wherever the network cuts."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_adapters.protocol.sse import EventReader, FrameTooLargeError, MalformedFrameError

EVENTS = [{"type": "response.created", "n": 0}, {"type": "x", "text": "ü\n"}, {"type": "y"}]


def encode(end: str) -> bytes:
    frames = [f"event: {event['type']}{end}data: {json.dumps(event)}{end}{end}" for event in EVENTS]
    return (f": hello{end}{end}" + "".join(frames) + f"data: [DONE]{end}{end}").encode()


@given(st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 200), max_size=8))
def test_frames_are_whole_wherever_the_network_cuts(end: str, cuts: list[int]) -> None:
    data, reader, seen = encode(end), EventReader(), []
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, stop in pairwise(edges):
        seen += reader.feed(data[start:stop])
    assert seen + reader.finish() == EVENTS


def test_an_event_without_a_type_takes_the_name_of_its_line() -> None:
    assert EventReader().feed(b'event: ping\ndata: {"a":1}\n\n') == [{"a": 1, "type": "ping"}]
    assert EventReader().feed(b'data: {"error":{"message":"no"}}\n\n')[0]["type"] == "error"


def test_data_may_span_lines() -> None:
    assert EventReader().feed(b'data: {"type":\ndata: "x"}\n\n') == [{"type": "x"}]


def test_half_an_event_at_the_end_is_dropped_and_a_whole_one_is_not() -> None:
    reader = EventReader()
    assert reader.feed(b'data: {"type":"x"') == []
    assert reader.finish() == []
    assert reader.feed(b'data: {"type":"x"}\n') == []
    assert reader.finish() == [{"type": "x"}]


def test_data_that_is_not_json_is_an_error() -> None:
    with pytest.raises(MalformedFrameError, match="not JSON"):
        EventReader().feed(b"data: {oops}\n\n")
    with pytest.raises(MalformedFrameError, match="not a JSON object"):
        EventReader().feed(b"data: [1]\n\n")


def test_what_came_before_a_broken_event_is_given_however_the_network_cuts_the_stream() -> None:
    reader = EventReader()
    assert reader.feed(b'data: {"type":"x"}\n\ndata: {oops}\n\ndata: {"type":"y"}\n\n') == [
        {"type": "x"}
    ]
    with pytest.raises(MalformedFrameError, match="oops"):
        reader.feed(b'data: {"type":"z"}\n\n')
    with pytest.raises(MalformedFrameError, match="oops"):
        reader.finish()


def test_an_endless_frame_is_cut_at_the_limit() -> None:
    reader = EventReader(max_frame=100)
    reader.feed(b"data: " + b"0" * 90)
    with pytest.raises(FrameTooLargeError, match="100 bytes"):
        reader.feed(b"0123456789")


@given(st.binary(max_size=200))
def test_any_bytes_give_events_or_a_typed_error(data: bytes) -> None:
    reader = EventReader()
    try:
        events = reader.feed(data) + reader.finish()
    except MalformedFrameError:
        return
    assert all(isinstance(event, dict) for event in events)
