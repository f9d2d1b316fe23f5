from __future__ import annotations

import openresponses_types as spec
from openai.types.responses import ResponseCompactionItem

from asking import send
from responses_adapters.testing import Backend


def test_input_tokens_counts_what_a_create_would_read_and_runs_no_model() -> None:
    be = Backend(brain=lambda context: "ok")
    tools = [{"type": "function", "name": "f", "parameters": {}}]
    asked = {"model": "m", "input": "hello there", "instructions": "x" * 40, "tools": tools}
    _, counted = send(be, "POST", "/v1/responses/input_tokens", asked)
    assert be.contexts == []
    _, response = send(be, "POST", "/v1/responses", asked)
    assert counted == {
        "object": "response.input_tokens",
        "input_tokens": response["usage"]["input_tokens"],
    }


def test_compacting_keeps_the_users_words_and_seals_the_rest() -> None:
    be = Backend(brain=lambda context: "ok")
    history = [
        {"role": "user", "content": "remember the code"},
        {"role": "assistant", "content": "I will."},
    ]
    status, compacted = send(be, "POST", "/v1/responses/compact", {"model": "m", "input": history})
    assert status == 200
    spec.CompactResource.model_validate(compacted)
    ResponseCompactionItem.model_validate(compacted["output"][-1])
    assert [item["type"] for item in compacted["output"]] == ["message", "compaction"]
    assert be.contexts == []
    following = [*compacted["output"], {"role": "user", "content": "go on"}]
    assert send(be, "POST", "/v1/responses", {"model": "m", "input": following})[0] == 200
    assert [item["type"] for item in be.contexts[-1]] == ["message", "compaction", "message"]


def test_compacting_needs_a_model_and_a_conversation_that_is_there() -> None:
    be = Backend()
    assert send(be, "POST", "/v1/responses/compact", {"input": "x"})[0] == 400
    lost = {"model": "m", "previous_response_id": "resp_x"}
    status, body = send(be, "POST", "/v1/responses/compact", lost)
    assert (status, body["error"]["code"]) == (400, "previous_response_not_found")


def test_models_can_be_listed_and_named() -> None:
    be = Backend().only_models("org/big", "small")
    _, listed = send(be, "GET", "/v1/models")
    assert [model["id"] for model in listed["data"]] == ["org/big", "small"]
    assert send(be, "GET", "/v1/models/org/big")[1]["id"] == "org/big"
    status, body = send(be, "GET", "/v1/models/none")
    assert (status, body["error"]["code"]) == (404, "model_not_found")
    assert send(be, "GET", "/v1/health") == (200, {"status": "healthy"})


def test_listed_and_compacted_parts_are_whole() -> None:
    be = Backend(brain=lambda context: "ok")
    parts = [{"type": "input_image", "file_id": "file_1", "detail": None}]
    asked = {"model": "m", "input": [{"role": "user", "content": parts}]}
    whole = {"type": "input_image", "image_url": None, "detail": "auto", "file_id": "file_1"}
    _, compacted = send(be, "POST", "/v1/responses/compact", asked)
    assert compacted["output"][0]["content"] == [whole]
    _, response = send(be, "POST", "/v1/responses", asked)
    _, listed = send(be, "GET", f"/v1/responses/{response['id']}/input_items")
    assert listed["data"][0]["content"] == [whole]
