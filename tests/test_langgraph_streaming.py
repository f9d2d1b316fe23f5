from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message

from responses_adapters.langgraph.answers import to_message
from responses_adapters.langgraph.fingerprint import fingerprint
from responses_adapters.langgraph.messages import to_items
from responses_adapters.langgraph.streaming import AnswerStream
from responses_adapters.testing import Backend, Request

Event = dict[str, Any]


def total(events: Iterable[Event]) -> AIMessage:
    """The sum of the chunks of a stream, as LangChain makes a message of it."""
    events = list(events)
    stream = AnswerStream()
    chunks = [chunk for event in events if (chunk := stream.push(event)) is not None]
    response = events[-1]["response"]
    chunks.append(stream.finish(to_message(response), response["output"]))
    whole = AIMessageChunk(content=[])
    for chunk in chunks:
        whole = whole + chunk  # type: ignore[assignment]
    return message_chunk_to_message(whole)  # type: ignore[return-value]


def assert_same(streamed: AIMessage, whole: AIMessage) -> None:
    assert to_items(streamed) == to_items(whole)
    assert fingerprint(streamed) == fingerprint(whole)
    assert streamed.tool_calls == whole.tool_calls
    assert streamed.usage_metadata == whole.usage_metadata
    assert streamed.response_metadata == whole.response_metadata


def spoken(backend: Backend) -> list[Event]:
    """The events of the next turn of a scripted backend."""
    body = json.dumps({"model": "m", "input": "hi", "stream": True}).encode()
    reply = backend.handle(Request(method="POST", path="/v1/responses", headers={}, body=body))
    text = b"".join(frame.data for frame in reply.body).decode()
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


def scripted() -> dict[str, Backend]:
    backends = {
        name: Backend() for name in ("text", "calls", "reasoning", "mixed", "custom", "raw")
    }
    backends["text"].reply("Hello there, how are you?")
    backends["calls"].call_tools(("add", {"a": 1}), ("add", {"a": 2}), ("sub", {}))
    backends["reasoning"].reason("think", summary="I see it now", encrypted=True).reply("Yes.")
    backends["mixed"].reply("Wait", phase="commentary").call_tool("add", a=1).reply("done")
    backends["custom"].call_custom_tool("sql", "select 1")
    backends["raw"].respond(
        [
            {"type": "orq:current_date", "id": "m1", "index": 3, "result": {"type": "x", "n": 1}},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"n": 1.5}},
        ]
    )
    return backends


@pytest.mark.parametrize("name", scripted())
def test_a_stream_adds_up_to_the_finished_message(name: str) -> None:
    events = spoken(scripted()[name])
    assert_same(total(events), to_message(events[-1]["response"]))


@pytest.mark.parametrize("name", scripted())
@pytest.mark.parametrize("kept", ["done", "completed", "deltas"])
def test_a_sparse_stream_adds_up_too(name: str, kept: str) -> None:
    dropped = {
        "done": (".delta", ".added", "text.done", "part.done"),
        "completed": (".delta", ".added", ".done"),
        "deltas": (".added", ".done"),
    }[kept]
    events = [e for e in spoken(scripted()[name]) if not e["type"].endswith(dropped)]
    assert_same(total(events), to_message(events[-1]["response"]))


def completed(*output: Event) -> Event:
    return {"type": "response.completed", "response": {"id": "resp_1", "output": list(output)}}


def call(position: int, arguments: str = '{"a":1}') -> Event:
    return {
        "type": "function_call",
        "id": f"fc_{position}",
        "call_id": f"call_{position}",
        "name": "add",
        "arguments": arguments,
    }


def added(position: int, item: Event) -> Event:
    return {"type": "response.output_item.added", "output_index": position, "item": item}


def argument_delta(text: str, **where: Any) -> Event:
    return {"type": "response.function_call_arguments.delta", "delta": text, **where}


@pytest.mark.parametrize("key", ["item_id", "output_index"])
def test_interleaved_parallel_calls_are_kept_apart(key: str) -> None:
    def where(position: int) -> dict[str, Any]:
        return {key: f"fc_{position}" if key == "item_id" else position}

    events = [
        added(0, call(0, "")),
        added(1, call(1, "")),
        argument_delta('{"a"', **where(0)),
        argument_delta('{"b"', **where(1)),
        argument_delta(":1}", **where(0)),
        argument_delta(":2}", **where(1)),
        completed(call(0, '{"a":1}'), call(1, '{"b":2}')),
    ]
    streamed = total(events)
    assert [tool["args"] for tool in streamed.tool_calls] == [{"a": 1}, {"b": 2}]
    assert_same(streamed, to_message(events[-1]["response"]))


def test_an_item_whose_position_moves_stays_one_item() -> None:
    events = [
        added(0, call(0, "")),
        argument_delta('{"a":1}', item_id="fc_0", output_index=0),
        {"type": "response.output_item.done", "output_index": 2, "item": call(0)},
        completed(call(0)),
    ]
    assert_same(total(events), to_message(events[-1]["response"]))


def test_items_missing_from_the_final_list_do_not_shift_the_others() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    events = [
        added(0, search),
        added(1, call(1, "")),
        argument_delta('{"a":1}', item_id="fc_1", output_index=1),
        completed(call(1)),
    ]
    assert_same(total(events), to_message(events[-1]["response"]))


@pytest.mark.parametrize("kind", ["response.reasoning.delta", "response.reasoning_text.delta"])
def test_raw_reasoning_streams_under_both_names(kind: str) -> None:
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "a b"}],
    }
    events = [
        {"type": kind, "item_id": "rs_1", "output_index": 0, "content_index": 0, "delta": "a "},
        {"type": kind, "item_id": "rs_1", "output_index": 0, "content_index": 0, "delta": "b"},
        completed(item),
    ]
    chunk = AnswerStream().push(events[0])
    assert chunk is not None
    assert chunk.content_blocks[0]["reasoning"] == "a "  # type: ignore[typeddict-item]
    assert_same(total(events), to_message(events[-1]["response"]))


def test_several_summary_parts_stay_apart() -> None:
    parts = [{"type": "summary_text", "text": text} for text in ("one", "two")]
    item = {"type": "reasoning", "id": "rs_1", "summary": parts, "encrypted_content": "g"}
    kind = "response.reasoning_summary_text.delta"
    events = [
        {"type": kind, "item_id": "rs_1", "output_index": 0, "summary_index": 0, "delta": "on"},
        {"type": kind, "item_id": "rs_1", "output_index": 0, "summary_index": 0, "delta": "e"},
        {"type": kind, "item_id": "rs_1", "output_index": 0, "summary_index": 1, "delta": "two"},
        completed(item),
    ]
    assert_same(total(events), to_message(events[-1]["response"]))


@pytest.mark.parametrize("arguments", ['{"a": ', '{"a": "x', '{"a": "x\\', "[1]", "{}}", "no"])
@pytest.mark.parametrize("in_deltas", [True, False])
def test_a_malformed_call_never_becomes_one_that_runs(arguments: str, in_deltas: bool) -> None:
    events = [added(0, call(0, "")), argument_delta(arguments, item_id="fc_0")] if in_deltas else []
    events.append(completed(call(0, arguments)))
    streamed = total(events)
    assert streamed.tool_calls == []
    assert streamed.invalid_tool_calls[0]["id"] == "call_0"
    assert to_items(streamed) == [call(0, arguments)]


def test_the_first_chunk_comes_with_the_first_delta() -> None:
    backend = Backend()
    backend.reply("one two three")
    stream = AnswerStream()
    texts = [chunk.text for event in spoken(backend) if (chunk := stream.push(event)) is not None]
    assert texts[:3] == ["one", " two", " three"]


def test_text_is_never_said_twice() -> None:
    backend = Backend()
    backend.reply("one two three")
    assert total(spoken(backend)).text == "one two three"


def test_an_unknown_event_is_worth_no_chunk() -> None:
    assert AnswerStream().push({"type": "response.acme.progress", "percent": 3}) is None


def test_a_chunk_is_what_its_constructor_makes_and_shares_nothing_that_can_change() -> None:
    stream = AnswerStream()
    delta = {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "Hi"}
    one, other = stream.push(delta), stream.push(delta)
    assert one is not None
    assert other is not None
    built = AIMessageChunk(
        content=[{"type": "text", "text": "Hi", "index": 0}],
        response_metadata={"model_provider": "openai"},
    )
    assert one == built
    assert one.model_dump() == built.model_dump()
    shared = {id(value) for value in vars(one).values() if isinstance(value, dict | list)}
    assert shared.isdisjoint(id(value) for value in vars(other).values())
